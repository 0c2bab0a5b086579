"""Colours through the eyes of one in twelve men, and what a picture's file holds."""

import io
import itertools
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcepm.analysis.panels.base import PANELS
from hpcepm.analysis.style import COLOURS, SEQUENTIAL, SIGNED, lines_for, plain, save, styled
from hpcepm.faults import NoRun

Floats = NDArray[np.float64]

DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
"""Who has no green cones sees this of linear RGB (Machado, Oliveira and Fernandes, 2009)."""

TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
EYES = {"all cones": np.eye(3), "no green cones": DEUTERANOPIA}
FAR_ENOUGH = 15
"""In CIE Lab two is what one just sees, side by side; thin lines far apart need more."""


def lab(colours: Any, eye: str) -> Floats:
    """Return lightness, a and b of sRGB colours, (..., 3), as an eye sees them."""
    rgb = np.asarray(colours, np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    relative = np.clip(linear @ EYES[eye].T, 0, 1) @ TO_XYZ.T / WHITE
    edge = 6 / 29
    f = np.where(relative > edge**3, np.cbrt(relative), relative / (3 * edge**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def nearest(colours: list[str], eye: str) -> float:
    """Return how near the two of some colours are that are most alike."""
    seen = lab([to_rgb(one) for one in colours], eye)
    return float(min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)))


def test_the_simulation_is_what_is_known_of_it() -> None:
    for eye in EYES:
        grey = lab([[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]], eye)
        np.testing.assert_allclose(grey[:, 0], [0, 53.39, 100], atol=0.01)
        np.testing.assert_allclose(grey[:, 1:], 0, atol=0.05)  # who lacks cones sees grey as grey
    np.testing.assert_allclose(lab([1, 0, 0], "all cones"), [53.24, 80.09, 67.20], atol=0.02)
    tableau = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]  # matplotlib's own: green is red
    assert nearest(tableau, "all cones") > 2 * FAR_ENOUGH > 4 * nearest(tableau, "no green cones")


@pytest.mark.parametrize("eye", EYES)
def test_lines_of_one_picture_are_told_apart(eye: str) -> None:
    assert nearest(list(COLOURS), eye) > FAR_ENOUGH
    assert min(np.linalg.norm(lab(to_rgb(c), eye) - [100, 0, 0]) for c in COLOURS) > FAR_ENOUGH
    for n in range(2, 17):
        for values in (None, [float(k) for k in range(n)]):
            lines = lines_for(values, n)
            assert len(set(lines)) == n
            for dashes in {one for _, one in lines}:
                same = [colour for colour, one in lines if one == dashes]
                assert len(same) == 1 or nearest(same, eye) > FAR_ENOUGH, (n, dashes)


def test_shades_follow_the_order_of_the_values() -> None:
    lightness = [lab(to_rgb(colour), "all cones")[0] for colour, _ in lines_for([3, 1, 2], 3)]
    assert sorted(lightness) == [lightness[1], lightness[2], lightness[0]]


@pytest.mark.parametrize("eye", EYES)
def test_maps_have_an_order_of_lightness(eye: str) -> None:
    steps = np.linspace(0, 1, 256)
    rising = lab(matplotlib.colormaps[SEQUENTIAL](steps)[:, :3], eye)[:, 0]
    assert (np.diff(rising) > 0).all() and rising[-1] - rising[0] > 80
    signed = lab(matplotlib.colormaps[SIGNED](steps)[:, :3], eye)
    assert (np.diff(signed[:127, 0]) > 0).all() and (np.diff(signed[129:, 0]) < 0).all()
    assert np.abs(signed[:, 0] - signed[::-1, 0]).max() < 5  # as dark on both sides
    quarters = np.linalg.norm(signed[[0, 64]] - signed[[255, 191]], axis=1)
    assert quarters.min() > 2 * FAR_ENOUGH  # and yet of two colours


def test_no_panel_chooses_colours_of_its_own() -> None:
    folder = Path(__file__).parents[2] / "hpcepm" / "analysis"
    for path in folder.rglob("*.py"):
        text = path.read_text()
        for name in ('"C0"', '"C1"', '"C2"', '"C3"', '"red"', "viridis_r", 'cmap="', "jet"):
            assert name not in text, f"{path} has {name}"
    assert len({one.name for one in PANELS}) == len(PANELS) and all(one.about for one in PANELS)


def test_formats(tmp_path: Path) -> None:
    with styled():
        figure = Figure()
        figure.subplots().set(title=f"ε ⟨σ⟩ {plain('$HOME $x')}", xlabel="strain ε")
        first, again = (
            {kind: save(figure, tmp_path / f"{k}.{kind}").read_bytes() for kind in KINDS}
            for k in range(2)
        )
    assert first == again  # same picture, same bytes, whatever the day
    assert all(content.startswith(KINDS[kind]) for kind, content in first.items())
    assert b"/FontFile2" in first["pdf"] and b"/Type3" not in first["pdf"]
    assert b"<text" not in first["svg"] and b"<path" in first["svg"]
    with pytest.raises(NoRun, match=r"x\.jpg: a picture ends in \.pdf, \.svg or \.png"):
        save(figure, tmp_path / "x.jpg")
    with pytest.raises(OSError, match=r"nowhere/x\.png: No such file"):
        save(figure, tmp_path / "nowhere" / "x.png")


KINDS = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}


def test_a_user_s_own_style_changes_nothing() -> None:
    def drawn() -> bytes:
        with styled():
            figure, picture = Figure(), io.BytesIO()
            figure.subplots().plot([0, 1])
            figure.savefig(picture, format="png")
        return picture.getvalue()

    before = drawn()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        assert drawn() == before

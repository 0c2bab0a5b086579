"""Maps of one field, and movies of it."""

import json
import os
from pathlib import Path
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image, ImageSequence

from hpcepm.analysis.field import _common_scale, _spread, draw_fields, snapshot
from hpcepm.analysis.panels.base import minus
from hpcepm.analysis.panels.maps import draw_map, scale_of, thinned
from hpcepm.analysis.results import open_run
from hpcepm.analysis.style import SEQUENTIAL, SIGNED, styled
from hpcepm.cli import main
from hpcepm.faults import NoRun

from .conftest import replace, rewritten, simulated


@pytest.mark.parametrize(
    ("strain", "number", "said"),
    [
        (None, 3, "at ε = 0.12"),
        (0.05, 1, "at ε = 0.05"),
        (0.08, 2, "at ε = 0.1, the map nearest to 0.08"),
        (0.0, 0, "at ε = 0"),
    ],
)
def test_the_nearest_snapshot_is_drawn(
    many: Path, strain: float | None, number: int, said: str
) -> None:
    with open_run(many) as run, styled():
        found = snapshot(run, "sigma", strain, 2)
        assert found.number == number
        field = run.file["fields/sigma"][2, number]
        np.testing.assert_array_equal(found.values, field)
        figure = draw_fields([run], "sigma", strain, 2)
        assert figure.axes[0].get_title(loc="left") == said
        assert "12 × 10 sites,\nrealization 2" in figure.get_suptitle()
        (image,) = figure.axes[0].images
        np.testing.assert_array_equal(np.asarray(image.get_array()), field.T)
        middle = np.mean(image.get_clim())  # white is the mean
        assert middle == pytest.approx(field.mean()) and image.get_cmap().name == SIGNED
        assert figure.axes[1].get_ylabel() == f"σ (LJ units), white: Σ = {minus(field.mean(), 3)}"


def test_several_runs_have_one_scale(single: Path, many: Path, tmp_path: Path) -> None:
    with open_run(single) as one, open_run(many) as other, styled():
        figure = draw_fields([one, other], "epsilon_p", 0.1, 0)
        stress = draw_fields([one, other], "sigma", 0.1, 0)
    assert stress.axes[-1].get_ylabel() == "σ − Σ (LJ units), white: 0"
    for axes in stress.axes[:2]:
        assert np.mean(np.asarray(axes.images[0].get_array())) == pytest.approx(0, abs=1e-12)
    maps = [axes for axes in figure.axes if axes.images]
    assert len({axes.images[0].norm.vmax for axes in maps}) == 1
    assert maps[1].get_title(loc="left") == "(b)  realizations 3\nat ε = 0.1"
    out = str(tmp_path / "x.svg")
    assert main(["plot", str(single), str(many), "--field", "sigma_c", "--out", out]) == 0
    assert main(["plot", str(single), "--field", "n_events", "--strain", "0.1"]) == 0
    assert plt.imread(single / "n_events.png").shape[2] == 4


def test_a_band_and_the_rest_are_both_seen() -> None:
    field = np.random.default_rng(0).exponential(0.02, (64, 64))
    field[:, 20:24] += 1.2
    scale = scale_of("epsilon_p", field)
    assert scale.colours == SEQUENTIAL and scale.root and "square-root scale" in scale.label
    assert scale.low == 0 and 1.2 < scale.high < field.max() and scale.ends == "max"
    shade = np.sqrt(np.median(field) / scale.high)
    assert 0.08 < shade < 0.3  # of the colours; on a plain scale it would be a hundredth
    signed = scale_of("epsilon_p", field - 0.5)
    assert signed.colours == SIGNED and signed.low == -signed.high
    mixed = _common_scale("epsilon_p", [field - 0.001, field])
    assert mixed.colours == SIGNED and mixed.high == pytest.approx(scale.high, rel=0.01)
    flat = scale_of("epsilon_p", np.zeros((4, 4)))
    assert flat.low < flat.high


def test_the_nearest_of_a_strain_that_comes_twice_is_the_latest(many: Path, tmp_path: Path) -> None:
    def there_and_back(file: h5py.File) -> None:
        settings = json.loads(file.attrs["input_resolved"])
        settings["loading"] = [{"control": "strain", "target": e} for e in (0.1, 0.0)]
        file.attrs["input_resolved"] = json.dumps(settings)
        replace(file, "fields/strain", np.array([0.0, 0.05, 0.1, 0.05]))

    with open_run(rewritten(many, tmp_path, there_and_back)) as run:
        assert snapshot(run, "sigma", 0.05, 0).number == 3
        assert snapshot(run, "sigma", 0.051, 0).number == 3
        assert snapshot(run, "sigma", 0.02, 0).number == 0


def test_a_movie_has_a_frame_for_each_snapshot(
    many: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.gif"
    for field in ("sigma", "epsilon_p"):
        assert main(["plot", str(many), "--field", field, "--movie", str(path)]) == 0
        with Image.open(path) as movie:
            frames = [
                np.asarray(frame.convert("RGB"), np.int16)
                for frame in ImageSequence.Iterator(movie)
            ]
        assert len(frames) == 4 and frames[0].shape == (342, 720, 3)
        changed = np.abs(frames[3] - frames[2]).max(axis=2) > 40
        assert changed[:, 360:].any() and changed[:, :360].any()  # the map, and the dot
    assert main(["plot", str(many), str(many), "--movie", str(path)]) == 2
    assert "a movie is of one run" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["x.gif"]


def test_a_colour_bar_is_the_same_in_all_frames(single: Path, tmp_path: Path) -> None:
    """With a palette of its own a frame had other colours for a number than the next."""
    path = tmp_path / "x.gif"
    assert main(["plot", str(single), "--movie", str(path), "--field", "epsilon_p"]) == 0
    with Image.open(path) as movie:
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(movie)]
    assert len(frames) > 3 and (frames[-1][0, 0] == 255).all()
    bars = [frame[:, 652:] for frame in frames]  # right of the map
    assert len(np.unique(bars[0].reshape(-1, 3), axis=0)) > 40
    assert all(np.array_equal(bar, bars[0]) for bar in bars)


FFMPEG = """#!/bin/sh
for last; do :; done
cat > "$last.raw"
{ echo "$@"; wc -c < "$last.raw"; } > "$last"
"""


def test_an_mp4_needs_ffmpeg(
    many: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "x.mp4"
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert main(["plot", str(many), "--movie", str(out)]) == 2
    told = capfd.readouterr().err
    assert "an .mp4 needs the program ffmpeg, which is not here" in told and ".gif" in told
    assert not out.exists()
    (programs / "ffmpeg").write_text(FFMPEG)  # takes the frames, and tells what it was asked for
    (programs / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert main(["plot", str(many), "--movie", str(out)]) == 0
    asked, received = out.read_text().splitlines()
    assert "-pix_fmt yuv420p" in asked and "-s 720x342" in asked
    assert int(received) == 4 * 720 * 342 * 4  # frames of so many pixels of four bytes


def test_a_run_at_work_may_have_no_map_yet(tmp_path: Path) -> None:
    loading = {"target": 0.12, "until": {"events_per_site": 1}}
    run = simulated(tmp_path, realizations=2, loading=loading)
    (tmp_path / "cut").mkdir()

    def cut(file: h5py.File) -> None:
        file.attrs["finished"] = False
        file["fields/snapshots"][...] = [2, 0]

    with open_run(rewritten(run, tmp_path / "cut", cut)) as opened:
        assert snapshot(opened, "sigma", None, 0).number == 1
        with pytest.raises(NoRun, match="realization 1 has no map yet"):
            snapshot(opened, "sigma", None, 1)
    assert _spread(5, 12) == [0, 1, 2, 3, 4] and _spread(1000, 3) == [0, 499, 999]


@pytest.mark.parametrize(
    ("shape", "aspect"), [((60, 10), 1.0), ((64, 8), "auto"), ((8, 64), "auto")]
)
def test_long_lattices_are_drawn_wider_than_they_are(shape: tuple[int, int], aspect: Any) -> None:
    with styled():
        figure, axes = plt.subplots()
        field = np.random.default_rng(0).random(shape)
        draw_map(axes, field, scale_of("epsilon_p", field), shape)
        assert axes.get_aspect() == aspect
        plt.close(figure)


def test_few_pixels_are_left_out_along_the_long_side_alone() -> None:
    assert thinned(np.zeros((4096, 8))).shape == (1024, 8)
    assert thinned(np.zeros((1500, 1024))).shape == (750, 1024)

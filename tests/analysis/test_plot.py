"""Pictures: of a run, of several in one figure, of chosen panels; and what cannot be drawn."""

from pathlib import Path
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from hpcepm.analysis.panels.base import CURVES, PANELS
from hpcepm.analysis.panels.profiles import across
from hpcepm.analysis.plot import Wanted, compose, draw, draw_summary
from hpcepm.analysis.results import open_run
from hpcepm.analysis.statistics import log_density
from hpcepm.analysis.style import styled
from hpcepm.cli import main
from hpcepm.faults import NoRun

from .conftest import replace, rewritten, simulated


def size(path: Path) -> tuple[int, int]:
    """Return the size of a picture in panels: rows, and columns of the widest."""
    height, width, _ = plt.imread(path).shape
    return round((height / 150 - 0.4) / 3), round(width / 525)


def figure_of(runs: list[Path], **wanted: Any) -> Figure:
    with styled(), open_run(runs[0]) as one, open_run(runs[-1]) as other:
        return compose([one, other][: len(runs)], Wanted(**wanted))


def axes_of(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if axes.get_xlabel()]


def test_a_run_at_a_glance(single: Path, many: Path) -> None:
    for run in (single, many):
        path = draw_summary(str(run))
        assert path == run / "summary.png" and size(path) == (3, 2)
    figure = figure_of([single])
    title = figure.get_suptitle()
    assert "ESL glass, renewed as MCT, 12 × 10 sites, continuum kernel, seed 3" in title
    assert [axes.get_title(loc="left")[:3] for axes in axes_of(figure)] == [
        f"({letter})" for letter in "abcdef"
    ]
    assert all("(LJ units)" in axes.get_ylabel() for axes in axes_of(figure)[:2])
    assert not figure_of([single], title=False).get_suptitle()


def test_a_run_without_fields_is_drawn_without_maps(many: Path, tmp_path: Path) -> None:
    def drop(file: h5py.File) -> None:
        del file["fields"]

    assert size(draw_summary(str(rewritten(many, tmp_path, drop)))) == (2, 2)


def test_several_runs_are_called_by_what_differs(single: Path, many: Path, tmp_path: Path) -> None:
    figure = figure_of([single, many])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "realizations 1",
        "realizations 3",
    ]
    stress = axes_of(figure)[0]
    assert len(stress.lines) == 2 and len(stress.collections) == 1  # the ensemble has a band
    assert len({line.get_color() for line in stress.lines}) == 2
    assert len(axes_of(figure)) == 3 and "12 × 10 sites" in figure.get_suptitle()
    assert size(draw([str(single), str(many)], Wanted(out=tmp_path / "x.png"))) == (1, 3)
    same = figure_of([single, single])
    assert [text.get_text() for text in same.legends[0].get_texts()] == ["run", "run"]


def test_a_band_is_of_quantiles_or_of_the_error(many: Path) -> None:
    with open_run(many) as run:
        stress = run.observable("stress")
    error = stress.std(axis=0, ddof=1) / 3**0.5
    for band, low in {
        "quantiles": np.quantile(stress, 0.05, axis=0),
        "error": stress.mean(axis=0) - error,
    }.items():
        axes = axes_of(figure_of([many], band=band))[0]
        (shade,) = axes.collections
        below = shade.get_paths()[0].vertices[1 : stress.shape[1] + 1, 1]
        np.testing.assert_allclose(below, low, atol=1e-12)
    assert "± standard error" in figure_of([many], band="error").get_suptitle()


def test_realizations_with_rows_of_their_own_have_a_band(tmp_path: Path) -> None:
    loading = {"target": 0.12, "until": {"events_per_site": 1}}
    run = simulated(tmp_path, realizations=4, loading=loading)
    with open_run(run) as opened:
        ends = [strain[-1] for strain, _ in opened.curves("stress")]
        curves = list(opened.curves("stress"))
        assert opened.counted and len(set(ends)) > 1
    axes = axes_of(figure_of([run]))[0]
    *faint, mean = axes.lines
    assert len(faint) == 4 and len(axes.collections) == 1
    strain, values = mean.get_data()
    assert strain[-1] == pytest.approx(min(ends))
    expected = np.mean([np.interp(strain, *curve) for curve in curves], axis=0)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_panels_are_chosen_by_name(
    single: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x.png")
    names = ["band_profile", "avalanche_sizes", "distances_to_yield", "plastic_strain"]
    assert main(["plot", str(single), "--panel", *names, "--out", out]) == 0
    assert size(Path(out)) == (2, 2)
    figure = figure_of([single], panels=("plastic_strain", "stress", "stress"))
    assert [axes.get_xlabel() for axes in axes_of(figure)] == ["x (cells)", "strain ε"]
    for wrong, said in {
        "strss": "there is no panel 'strss'; did you mean stress?",
        "work": "panel work does not apply to this run; these do:",
    }.items():
        assert main(["plot", str(single), "--panel", wrong]) == 2
        told = capfd.readouterr().err
        assert said in told and "avalanche_sizes      the distribution of the sizes" in told
    assert main(["plot", "--panel", "list"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == len(PANELS)
    assert main(["plot", "--panel", "stress", str(single)]) == 2
    assert "which run? Name its directory, before --panel" in capfd.readouterr().err
    assert main(["plot"]) == 2 and "Name its directory\n" in capfd.readouterr().err
    assert main(["plot", str(single), "--out", str(tmp_path / "no" / "q.png")]) == 2
    assert "no: no such directory; make it first" in capfd.readouterr().err


def test_what_a_distribution_and_a_profile_show(single: Path, tmp_path: Path) -> None:
    values = 10 ** np.random.default_rng(0).uniform(-3, 1, 4000)
    where, found, counts = log_density(values)
    error = found / np.sqrt(counts)
    exact = 1 / (where * np.log(1e4))
    assert np.mean(np.abs(found - exact) < 2.5 * error) > 0.9

    def band(file: h5py.File) -> None:
        wide = np.exp(-(((np.arange(10) - 8.5 + 5) % 10 - 5) ** 2))
        replace(file, "profiles/along_y", np.tile(wide, (1, 13, 1)))

    with open_run(rewritten(single, tmp_path, band)) as run:
        x, profile = across(run, 0)
    assert x.tolist() == list(range(-5, 5)) and abs(x[profile.argmax()]) <= 1
    with open_run(single) as run:
        axes = Figure().subplots()
        by_name = {one.name: one for one in PANELS}
        slip = run.file["avalanches/slip"][()][run.file["avalanches/strain"][()] >= 0.06]
        figure = figure_of([single], panels=("avalanche_sizes",))
        assert f"⟨S⟩ = {slip.mean():.3g}" in axes_of(figure)[0].get_title(loc="left")
        assert not axes.has_data() and by_name["avalanche_sizes"].row == CURVES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--strain", "0.1"], "--strain goes with --field"),
        (["--field", "sigma", "--panel", "stress"], "are two pictures"),
        (["--movie", "x.gif", "--out", "x.png"], "leave --out out"),
        (["--window", "1"], "write two strains from 0 on, as 0.5:1"),
        (["--out", "x.jpg"], "x.jpg: a picture ends in .pdf, .svg or .png"),
        (["--movie", "x.avi"], "x.avi: a movie ends in .mp4 or .gif"),
        (["--field", "sigam"], "there is no field 'sigam'"),
        (["--field", "well"], "has no maps of well, only of sigma, epsilon_p"),
        (["--field", "sigma", "--strain", "0.2"], "no map at strain 0.2; there are: 0, 0.05, 0.1"),
        (["--field", "sigma", "--realization", "1"], "has maps of realizations 0 to 0, not 1"),
    ],
)
def test_wrong_options_are_told(
    single: Path, options: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", str(single), *options]) == 2
    told = capfd.readouterr().err
    assert said in told and "Traceback" not in told


def test_what_cannot_be_drawn_is_told(
    single: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NoRun, match="No such file"):
        draw_summary(str(tmp_path))
    whole = rewritten(single, tmp_path, lambda file: None)
    (whole / "summary.png").mkdir()
    with pytest.raises(OSError, match=r"summary\.png: Is a directory"):
        draw_summary(str(whole))
    assert main(["plot", str(whole)]) == 1
    assert "Is a directory; --out FILE draws it elsewhere" in capfd.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(NoRun, match=r"pip install 'hpcepm\[plot\]'"):
        draw_summary(str(single))

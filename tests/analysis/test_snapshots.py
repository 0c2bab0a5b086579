"""Which record a map belongs to: whatever the load does, that of its state."""

import json
import time
from itertools import product
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest
import yaml

from hpcepm.analysis.ensembles import over_strain
from hpcepm.analysis.field import film
from hpcepm.analysis.protocol import strains_of_maps
from hpcepm.analysis.quantities import open_for_numbers, quantities
from hpcepm.analysis.results import open_run
from hpcepm.analysis.snapshots import records_of_maps
from hpcepm.cli import main
from tests.conftest import run_python

from .conftest import rewritten
from .test_report import content

TO_AND_FRO = {"cycle": [0.04, -0.04, 0.0], "cycles": 4}
WELLS = {"sides": "two", "landscape": "quenched"}
STRESS = [{"control": "stress", "target": s} for s in (0.5, -0.5, 0.4)]
SINE = {"control": "strain", "waveform": "sine", "amplitude": 0.08, "frequency": 0.1, "cycles": 2}
RUNS: dict[str, dict[str, Any]] = {
    "cycles": {
        "yielding": WELLS,
        "loading": TO_AND_FRO,
        "output": {"observables": {"every": 0.01}, "fields": {"every": 2, "of": "cycle"}},
    },
    "every second cycle": {
        "yielding": WELLS,
        "loading": TO_AND_FRO,
        "output": {"observables": {"every": 2, "of": "cycle"}, "fields": {"every": 0.02}},
    },
    "relaxation": {
        "clock": {"thermal": {"temperature": 0.1}},
        "loading": {"target": 0.04, "hold": 300},
        "output": {
            "observables": {"of": "time", "per_decade": 6},
            "fields": {"of": "time", "per_decade": 2},
        },
    },
    "stress to and fro": {
        "yielding": {"sides": "two"},
        "loading": STRESS,
        "realizations": 2,
        "output": {
            "observables": {"every": 0.05, "of": "stress"},
            "fields": {"every": 0.1, "of": "stress"},
        },
    },
    "extremal": {
        "loading": {"control": "extremal", "until": {"events_per_site": 2}},
        "output": {"fields": {"every": 0.02}},
    },
    "a sine": {
        "clock": {"type": "maxwell", "dt": 0.05},
        "loading": SINE,
        "output": {
            "observables": {"of": "time", "every": 0.25},
            "fields": {"of": "time", "every": 2.5},
        },
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the directories of all runs; lattices so small need no compiled code."""
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in RUNS.items():
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump({"lattice": {"shape": [6, 8]}} | settings)
        )
        command = ["-m", "hpcepm", f"{name}.yaml", "--output", name, "--quiet"]
        done = run_python(command, None, folder, NUMBA_DISABLE_JIT="1")
        assert done.returncode == 0, done.stderr
    return {name: folder / name for name in RUNS}


def page_of(path: Path, folder: Path) -> dict[str, Any]:
    """Return what the report of a run holds."""
    assert main(["report", str(path), "--out", str(folder / "page.html")]) == 0
    return content(folder / "page.html")


@pytest.mark.parametrize("name", [name for name in RUNS if name != "every second cycle"])
def test_a_map_is_of_the_record_that_was_taken_with_it(
    made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    page = page_of(made[name], tmp_path)
    with open_run(made[name]) as run:
        for k, (strain, stress) in enumerate(run.curves("stress")):
            there = strains_of_maps(run, k)
            n = there.size
            records = records_of_maps(run, k, range(n))
            means = [run.file["fields/sigma"][k, j].mean() for j in range(n)]
            assert n > 3 and np.array_equal(strain[records], there)
            np.testing.assert_allclose(stress[records], means, atol=1e-12)
            assert page["maps"]["series"][k]["records"] == records


def test_the_way_of_the_load_tells_maps_of_one_strain_apart(made: dict[str, Path]) -> None:
    with open_run(made["every second cycle"]) as run:  # records at 0, and in cycles 2 and 4
        strain, way = strains_of_maps(run), np.arange(33) * 0.02
        records = records_of_maps(run, 0, range(33))
        assert run.strain.tolist() == [0, 0.04, -0.04, 0, 0.04, -0.04, 0] and strain.size == 33
    at = np.array([0, 0.2, 0.28, 0.32, 0.52, 0.6, 0.64])
    assert np.allclose(np.abs(at[records] - way), np.abs(at - way[:, None]).min(axis=1))


def test_the_order_of_maps_tells_if_nothing_else_does(tmp_path: Path) -> None:
    loading = [{"target": 0.05, "until": {"plastic_strain": 0.5}}, {"target": -0.05}]
    output = {"observables": {"every": 0.01}, "fields": {"every": 0.01, "names": ["sigma_c"]}}
    settings = {"yielding": {"sides": "two"}, "loading": loading, "output": output}
    whole = {"lattice": {"shape": [6, 8]}} | settings
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(whole))
    command = ["-m", "hpcepm", "input.yaml", "--output", "run", "--quiet"]
    assert run_python(command, None, tmp_path, NUMBA_DISABLE_JIT="1").returncode == 0
    with open_run(tmp_path / "run") as run:
        assert run.counted and records_of_maps(run, 0, range(16)) == list(range(16))


LATE: Final = {"target": 0.2, "until": {"plastic_strain": 0.9}}
BETWEEN: Final = {
    "rising": [LATE],
    "to and fro": [LATE, {"target": -0.2}, {"target": 0.2}],
}


@pytest.mark.parametrize("names", [["sigma"], ["epsilon_p", "sigma"], ["sigma_c"], ["n_events"]])
@pytest.mark.parametrize("loading", BETWEEN)
def test_maps_between_records_go_forward_with_them(
    tmp_path: Path, loading: str, names: list[str]
) -> None:
    output = {"observables": {"every": 0.05}, "fields": {"every": 0.02, "names": names}}
    whole = {
        "lattice": {"shape": [6, 8]},
        "yielding": WELLS,
        "loading": BETWEEN[loading],
        "output": output,
    }
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(whole))
    command = ["-m", "hpcepm", "input.yaml", "--output", "run", "--quiet"]
    assert run_python(command, None, tmp_path, NUMBA_DISABLE_JIT="1").returncode == 0
    with open_run(tmp_path / "run") as run:
        n = strains_of_maps(run).size
        found, maps = records_of_maps(run, 0, range(n)), strains_of_maps(run)
        records, few = run.strains[0], records_of_maps(run, 0, range(0, n, 3))
    way_of_maps, way = (np.abs(np.diff(one, prepend=0.0)).cumsum() for one in (maps, records))
    away = np.abs(way[found] - way_of_maps)
    assert run.counted and np.allclose(away, np.abs(way - way_of_maps[:, None]).min(axis=1))
    assert few == found[::3]


def test_a_plan_that_no_run_could_have_takes_no_time(many: Path, tmp_path: Path) -> None:
    def forge(file: h5py.File) -> None:
        settings = json.loads(file.attrs["input_resolved"])
        settings["output"]["observables"]["every"] = 1e-300
        settings["loading"] = [{**settings["loading"], "target": e} for e in (0.1, -0.05)]
        file.attrs["input_resolved"] = json.dumps(settings)

    copy = rewritten(many, tmp_path, forge)
    began = time.monotonic()
    for words in (["summarize", str(copy)], ["report", str(copy)], ["plot", str(copy)]):
        assert main(words) in (0, 1, 2)
    assert time.monotonic() - began < 30


def test_records_of_later_cycles_are_no_first_branch(made: dict[str, Path], tmp_path: Path) -> None:
    with open_run(made["every second cycle"]) as run:
        assert over_strain(run, "stress") is None  # from the fresh glass to the second cycle
    first = [name for name, *_ in page_of(made["every second cycle"], tmp_path)["numbers"]["first"]]
    assert "shear modulus" not in first and "work" in first
    with open_run(made["cycles"]) as run:
        over = over_strain(run, "stress")
        assert over is not None and np.allclose(over.x, [0, 0.01, 0.02, 0.03, 0.04])


def test_a_frame_of_a_held_load_says_when(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    from hpcepm.analysis.gif import Gif

    seen: list[tuple[str, float]] = []

    def grab(writer: Gif, **_: Any) -> None:
        left, right = writer.fig.axes[:2]
        dot = next(line for line in left.lines if line.get_marker() == "o")
        seen.append((right.get_title(loc="left"), float(np.asarray(dot.get_ydata())[0])))

    monkeypatch.setattr(Gif, "grab_frame", grab)
    monkeypatch.setattr(Gif, "finish", lambda writer: Path(writer.outfile).touch())
    titles: list[str] = []
    monkeypatch.setattr(Figure, "suptitle", lambda _, text, **__: titles.append(text))
    with open_run(made["relaxation"]) as run:
        film([run], "epsilon_p", None, tmp_path / "m.gif", title=False)
        assert titles == []
        film([run], "epsilon_p", None, tmp_path / "m.gif")
        assert len(titles) == 1
        times, means = run.file["fields/time"][0], run.file["fields/sigma"][0].mean(axis=(1, 2))
    assert [float(title.partition("t = ")[2]) for title, _ in seen[: times.size]] == [
        float(f"{time:.6g}") for time in times
    ]
    assert [stress for _, stress in seen[: times.size]] == pytest.approx(means)


def test_the_page_has_the_numbers_of_summarize(made: dict[str, Path], tmp_path: Path) -> None:
    for name, path in made.items():
        with open_for_numbers(str(path)) as run:
            known = [one for one in quantities(run) if one.known]
        first = {one: value for one, value, _ in page_of(path, tmp_path)["numbers"]["first"]}
        assert known or name == "stress to and fro"
        assert {
            one.name: f"{one.value} {one.unit}".rstrip() for one in known
        }.items() <= first.items()


def test_a_sine_has_its_moduli_on_the_page(made: dict[str, Path], tmp_path: Path) -> None:
    cycles = page_of(made["a sine"], tmp_path)["cycles"]
    assert {"storage_modulus", "loss_modulus"} <= cycles["names"].keys()
    assert cycles["lines"][0]["cycle"] == [1, 2] and not cycles["recurrence"]


def test_a_part_in_which_one_has_no_map(
    made: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, part = str(made["stress to and fro"]), tmp_path / "part.h5"
    with open_run(run) as opened:
        records = [strain for strain, _ in opened.curves("stress")]
        maps = [strains_of_maps(opened, k) for k in range(2)]

    def inside(strains: np.ndarray, low: float, high: float) -> int:
        return int(((strains >= low - 1e-12) & (strains <= high + 1e-12)).sum())

    without, low, high = next(
        (k, low, high)
        for k, low, high in product(range(2), np.unique(records[0]), np.unique(records[1]))
        if inside(maps[k], low, high) == 0
        and inside(maps[1 - k], low, high) > 0
        and all(inside(one, low, high) > 1 for one in records)
    )
    assert main(["pack", run, "--out", str(part), "--strain", f"{low}:{high}"]) == 0
    words = ["plot", str(part), "--field", "sigma", "--out", str(tmp_path / "x.png")]
    assert main(words) == 0 and main(["plot", str(part), "--out", str(tmp_path / "y.png")]) == 0
    (series,) = page_of(part, tmp_path)["maps"]["series"]
    assert series["realization"] == 1 - without
    assert main([*words, "--realization", str(without)]) == 2
    assert f"realization {without} has no map in this part of the run" in capfd.readouterr().err


def test_a_part_in_which_one_has_no_record(
    made: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, part = str(made["stress to and fro"]), str(tmp_path / "part.h5")
    with open_run(run) as opened:
        ends = sorted(
            (float(strain.min()), k) for k, (strain, _) in enumerate(opened.curves("stress"))
        )
    (low, _), (high, without) = ends  # that one did not go as far back
    assert main(["pack", run, "--out", part, "--strain", f"{low}:{high - 1e-6}"]) == 0
    for words in (["summarize", part], ["plot", part], ["report", part], ["compare", part, run]):
        assert main(words) == 2
        said = capfd.readouterr().err
        assert "pack a wider --strain" in said
        assert f"realization {without} has no record" in said or "has no two records" in said


def test_what_is_asked_for_in_vain_is_told(
    made: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, out = str(made["cycles"]), str(tmp_path / "out")
    for words, said in (
        (["plot", run, "--field", "sigma", "--window", "0:1"], "--window is of a distribution"),
        (["plot", run, "--field", "sigma", "--band", "error"], "--band is of curves"),
        (["plot", run, "--movie", f"{out}.gif", "--panel", "stress_strain"], "--panel and --movie"),
        (["export", run, "--vtk", out, "--only", "cycles"], "add fields to --only"),
    ):
        assert main(words) == 2
        assert said in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_maps_alone_may_be_between_records(
    made: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, between = str(made["every second cycle"]), ["--strain", "0.015:0.025"]
    assert main(["pack", run, "--out", str(tmp_path / "part.h5"), *between]) == 2
    assert "has no record with strain from 0.015 to 0.025" in capfd.readouterr().err
    assert main(["export", run, "--vtk", str(tmp_path / "maps"), *between]) == 0
    assert len(list((tmp_path / "maps").glob("*.vti"))) == 8
    assert not (tmp_path / "part.h5").exists()


@pytest.mark.parametrize("name", ["run.h5", "checkpoints", "pieces/fields-00000001.h5", "run.log"])
def test_nothing_that_is_made_of_a_run_replaces_it(
    made: dict[str, Path], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    run = made["cycles"]
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for words in (["summarize", str(run), "--out"], ["plot", str(run), "--movie"]):
        assert main([*words, str(run / name)]) == 2
        assert "belongs to a run" in capfd.readouterr().err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

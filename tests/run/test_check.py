"""What `hpcepm check` says of a run is what the run takes, or that it cannot be known."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

import hpcepm
from hpcepm.cli import main
from hpcepm.faults import FAILED, WRONG_INPUT
from hpcepm.input.plugins import LOADED, Plugin
from hpcepm.input.read import ReadInput, read_input, read_mapping
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.check import all_warnings, report, resolved_yaml
from hpcepm.run.forecast import Range, Team, event_us_of, events_of, forecast
from hpcepm.run.place import refusal
from hpcepm.run.rehearsal import Program, Rehearsal, Trials, rehearse, smaller
from hpcepm.storage.lock import Lock

ROOT: Final = Path(__file__).parents[2]
PROTOCOLS: Final = sorted((ROOT / "inputs" / "protocols").glob("*.yaml"))
MAPS: Final = {"every": 0.05, "names": ["sigma", "epsilon_p"]}
LARGE_MAPS: Final = {"every": 0.02, "names": ["sigma", "epsilon_p"]}
FLOW: Final = {"control": "stress", "target": 2.0, "until": {"strain": 0.05}}
GLASS: Final = {
    "lattice": {"shape": [32, 32]},
    "loading": {"target": 0.15},
    "output": {"fields": MAPS},
}


def read(**changes: Any) -> ReadInput:
    return read_mapping({**GLASS, **changes}, {})


def bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"realizations": 3},
        {"loading": {"control": "extremal", "until": {"plastic_strain": 0.05}}},
        {"loading": [{"target": 0.05}, {"target": -0.05}], "yielding": {"sides": "two"}},
        {
            "lattice": {"shape": [256, 256]},
            "engine": "direct",
            "loading": FLOW,
            "output": {"fields": LARGE_MAPS},
        },
    ],
    ids=["strain", "realizations", "counted", "there and back", "large maps of a flow"],
)
def test_events_and_bytes_are_those_of_the_run(
    one_rank: Ranks, tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = forecast(read(**changes), one_rank, 1, 1, 60.0)
    tree = hpcepm.simulate({**GLASS, **changes}, directory=tmp_path / "run")
    assert tree is not None
    events = tree["observables"].events.max("record").values
    assert found.events == Range(*[float(events[0])] * 3)
    assert sum(found.disk.values()) == pytest.approx(bytes_in(tmp_path / "run"), rel=0.05)


def test_bytes_with_a_plug_in(
    one_rank: Ranks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file of the run holds the text of a plug-in: it is counted."""
    plugin = Plugin("p.py", "# a line\n" * 1000, "0" * 64)
    LOADED["hpcepm_plugin_of_this_test"] = plugin
    found = forecast(read(), one_rank, 1, 1, 60.0)
    hpcepm.simulate(GLASS, directory=tmp_path / "run")
    assert sum(found.disk.values()) == pytest.approx(bytes_in(tmp_path / "run"), rel=0.05)


def test_smaller_lattices_tell_of_larger_ones(one_rank: Ranks) -> None:
    large = read(
        lattice={"shape": [64, 32]},
        regions=[
            {
                "shape": "band",
                "along": "y",
                "centre": 32,
                "size": 8,
                "thresholds": {"multiply": 0.7},
            }
        ],
    )
    tried = [rehearse(smaller(large, shape), one_rank, 60.0) for shape in ((16, 8), (32, 16))]
    told = events_of(large, trials((64, 32), tried))
    assert told is not None
    assert told.value == pytest.approx(rehearse(large, one_rank, 60.0).events, rel=0.15)


def trials(shape: tuple[int, int], tried: list[Rehearsal]) -> Trials:
    return Trials(shape, tried, None, None, 0.0, Program(2**27, 2**27), 2**20)


def made_up(side: int, events_a_site: float, seconds: float = 1.0, us: float = 1.0) -> Rehearsal:
    events = int(events_a_site * side**2)
    looks = [(0.0, 0), (1e-6 * us * events, events)]
    counts = (events, 100, 10, 2, 0)
    return Rehearsal((side, side), "lazy", True, 0.0, seconds, 0.0, *counts, 0.1, 0.1, 0, looks)


def test_a_ramp_that_has_not_come_to_the_flow_is_compared_as_far_as_it_came() -> None:
    """Its first events are dear; those of the flow, that a rule ends, are not."""
    n, size, whole = 1000, 128**2, made_up(128, 5.0)
    ramp = [(0.0, 0), (20e-6 * n, n)]
    before = whole._replace(looks=[*ramp, (ramp[-1][0] + 1e-6 * (5 * size - n), 5 * size)])
    last = made_up(256, 4 * n / 256**2)._replace(complete=False)
    dear = last._replace(looks=[(0.0, 0), (40e-6 * 4 * n, 4 * n)])
    us = event_us_of(trials((256, 256), [before, dear]), "lazy", Team.of(read().settings, 1, 1))
    assert before.event_us == pytest.approx(1.2, rel=0.05)
    assert 1.2 < us.value < 4.0 and us.high < 5.0


@pytest.mark.parametrize(
    "loading",
    [FLOW, {**FLOW, "until": {"plastic_strain": 0.03}}, {**FLOW, "until": {"events_per_site": 1}}],
    ids=["strain", "plastic strain", "events"],
)
def test_a_rule_tells_where_no_lattice_came_to_its_end(loading: dict[str, Any]) -> None:
    started = made_up(32, 0.1)._replace(complete=False, strain=0.015, plastic_strain=0.003)
    found = events_of(read(loading=loading), trials((32, 32), [started]))
    tree = hpcepm.simulate({**GLASS, "loading": loading})
    assert found is not None and tree is not None
    events = float(tree["observables"].events.max())
    assert found.low <= events <= found.high <= 3 * events


@pytest.mark.parametrize(
    ("loading", "a_site"),
    [
        ({"target": 0.3}, (2.0, 5.0)),
        ({"cycle": [0.02, -0.02], "cycles": 9, "until": {"recurrence": True}}, (5.0, 5.0)),
    ],
    ids=["lattices differ", "cycles that come back"],
)
def test_what_cannot_be_known_is_said(loading: dict[str, Any], a_site: tuple[float, float]) -> None:
    wells = {"sides": "two", "landscape": "quenched"} if "cycle" in loading else {}
    asked = read(lattice={"shape": [512, 512]}, loading=loading, yielding=wells)
    tried = [made_up(side, n) for side, n in zip((64, 128), a_site, strict=True)]
    assert events_of(asked, trials((512, 512), tried)) is None


def test_where_no_lattice_had_an_event_few_are_expected(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = [made_up(side, 0.0) for side in (64, 128)]
    monkeypatch.setattr("hpcepm.run.forecast.try_out", lambda *_: trials((512, 512), tried))
    elastic = read(lattice={"shape": [512, 512]})
    found = forecast(elastic, one_rank, 1, 1, 1.0)
    assert found.events == Range(0.0, 0.0, 3 * 16.0) and found.whole is not None
    assert "about 0 (0 to 48)" in "\n".join(report(elastic, found))


def test_an_event_takes_what_the_model_says_times_what_it_took() -> None:
    team = Team.of(read().settings, 1, 1)
    one, two = (
        event_us_of(trials((512, 512), [made_up(128, 5.0, us=us)]), "lazy", team)
        for us in (2.0, 4.0)
    )
    assert two.value == pytest.approx(2 * one.value)
    assert one.low < one.value < one.high
    short = event_us_of(trials((512, 512), [made_up(128, 5.0, seconds=0.01, us=9.0)]), "lazy", team)
    assert short.value < 9.0


def test_ranks_are_shared_out_as_in_a_run() -> None:
    assert Team.of(read(realizations=5).settings, 2, 1) == Team(2, 1, 1, 2, 0, 3)
    assert Team.of(read(lattice={"shape": [16, 16]}).settings, 40, 1)[2:] == (4, 1, 36, 1)


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_every_protocol_is_reported(one_rank: Ranks, path: Path) -> None:
    asked = read_input(
        str(path), [] if "regions" in path.read_text() else ["lattice.shape=[16, 16]"]
    )
    found = forecast(asked, one_rank, 2, 1, 0.2)
    said = "\n".join(report(asked, found))
    for word in ("engine", "events", "time", "memory", "disk", "every default filled in"):
        assert word in said
    again = read_mapping(found_yaml(said), {})
    assert again.settings == asked.settings


def found_yaml(said: str) -> Any:
    import yaml

    return yaml.safe_load(said.partition("# the input")[2].partition("\n")[2])


def test_idle_ranks_are_said(one_rank: Ranks) -> None:
    asked = read(lattice={"shape": [16, 16]})
    found = forecast(asked, one_rank, 40, 1, 0.1)
    said = "\n".join(all_warnings(asked, found))
    assert "36 ranks have nothing to do" in said
    assert "16 rows make only 4 strips" in said


def test_a_lattice_too_large_for_this_machine_is_said(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = read(lattice={"shape": [16, 16]})
    found = forecast(asked, one_rank, 1, 1, 0.1)
    assert all_warnings(asked, found) == []
    monkeypatch.setattr("hpcepm.run.check.bytes_of_this_machine", lambda *_: 2**26)
    (said,) = all_warnings(asked, found)
    assert said.startswith("lattice.shape: the run needs ")
    assert "there is 64 MiB: take more nodes" in said


def test_what_run_would_refuse_is_said(one_rank: Ranks, tmp_path: Path) -> None:
    """A file, a run that is at work, finished, of another input, or to be gone on with."""
    small = {"lattice": {"shape": [8, 6]}, "loading": {"target": 0.05}}

    def said(place: str, **changes: Any) -> str | None:
        output = {"directory": str(tmp_path / place)}
        return refusal(read_mapping({**small, "output": output, **changes}, {}), one_rank)

    (tmp_path / "file").write_text("mine")
    assert said("new/run") is None
    for place in ("file", "file/run"):
        assert f"output.directory: {tmp_path / 'file'}: is no directory" in str(said(place))
    hpcepm.simulate(small, directory=tmp_path / "run")
    before = contents(tmp_path)
    assert "holds a finished run (strain 0.05 was reached)" in str(said("run"))
    assert "Raise loading.target to go further; run refuses it, with --continue" in str(said("run"))
    assert "of another input: seed: was 1, is now 2; run refuses" in str(said("run", seed=2))
    assert "only with --continue run goes on" in str(said("run", loading={"target": 0.06}))
    assert contents(tmp_path) == before
    lock = Lock(tmp_path / "run" / "run.lock")
    assert "is in use by another run (process" in str(said("run"))
    lock.release()


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("lattice: {shape: [16, 16]}\nloading: {target: 0.05}\n")
    assert main(["check", "mine.yaml", "--json", "-n", "2", "--set", "seed=3"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["team"]["ranks"] == 2
    assert told["seconds"]["low"] < told["seconds"]["value"] < told["seconds"]["high"]
    assert main(["check", "mine.yaml", "-n", "8", "--nodes", "2", "--slurm"]) == 0
    script = capfd.readouterr().out
    assert "--ntasks=8 --ntasks-per-node=4" in script
    assert "# Made by: hpcepm check mine.yaml -n 8 --nodes 2 --slurm\n" in script
    assert "set -- mine.yaml\n" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.yaml"], "no such file"),
        (["mine.yaml", "--set", "sed=3"], "did you mean 'seed'?"),
        (["mine.yaml", "-n", "0"], "take 1 rank or more"),
        (["mine.yaml", "-n", "2", "--nodes", "3"], "as many as ranks"),
        (["mine.yaml", "--seconds", "0"], "above 0"),
        (["mine.yaml", "--plugin", "nowhere.py"], "cannot be read"),
        ([], "INPUT"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("lattice: {shape: [8, 8]}\nloading: {target: 0.1}\n")
    assert main(["check", *arguments]) == WRONG_INPUT
    assert said in capfd.readouterr().err


def test_the_resolved_input_has_units_of_time() -> None:
    assert "every: 1800 s" in resolved_yaml(read().settings)


def test_a_run_that_would_fail_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(
        "lattice: {shape: [6, 5]}\nslip: {distribution: to_stress, noise: 0.6}\n"
        "loading: {control: stress, target: 0.6}\n"
    )
    assert main(["check", str(path), "--seconds", "1"]) == FAILED
    told = capfd.readouterr()
    assert "the run would end soon: site (" in told.err and "would not be positive" in told.err
    assert not told.out and "Traceback" not in told.err

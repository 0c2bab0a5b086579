"""Inputs with a clock: how they are written, what is wrong with some, and those without one."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from hpcepm.input.clock import times_of
from hpcepm.input.read import read_mapping
from hpcepm.input.schema import Input
from hpcepm.model.clock import Rate, Thermal
from hpcepm.model.loading import Path as Several
from hpcepm.model.loading import Strain, Stress
from hpcepm.schedule import Cadence
from tests.cli.said import LATTICE, assert_said, problems_of

THERMAL: Final = {"type": "thermal", "temperature": 0.05}
CLOCK: Final = "clock: {type: thermal, temperature: 0.05}\n"


def settings(**changes: Any) -> Input:
    content = {"lattice": {"shape": [8, 6]}, "clock": THERMAL, **changes}
    made = read_mapping({key: one for key, one in content.items() if one is not None}, {}).settings
    resolved = json.loads(made.model_dump_json())
    assert read_mapping(resolved, {}).settings == made
    assert json.loads(read_mapping(resolved, {}).settings.model_dump_json()) == resolved
    return made


def written(made: Input, *keys: str) -> Any:
    told = json.loads(made.model_dump_json())
    for key in keys:
        told = told[key]
    return told


LISTED: Final = f"{CLOCK}loading: "
WRONG: Final = [
    ("loading: {target: 0.1, hold: 10}", "2:30 loading.hold", "hold needs a clock: write clock: {"),
    ("loading: {target: 0.1, rate: 1}", "2:30 loading.rate", "rate needs a clock: write clock: {"),
    (
        "loading: [{repeat: 2, segments: [{target: 0.1, rate: 1}, {target: 0}]}]",
        "2:54 loading[0].segments[0].rate",
        "needs a clock",
    ),
    ("loading: {target: 1, until: {time: 3}}", "2:36 loading.until.time", "time needs a clock"),
    (
        "loading: {target: 1}\noutput: {observables: {of: time}}",
        "3:28 output.observables.of",
        "a cl",
    ),
    (
        "loading: {target: 1}\noutput: {fields: {of: time}}",
        "3:23 output.fields.of",
        "needs a clock",
    ),
    (
        "clock: thermal\nloading: {target: 1, hold: 1}",
        "2:8 clock",
        "write clock: {type: thermal, te",
    ),
    ("clock: none\nloading: {target: 1}", "2:8 clock", "leave it out for none"),
    ("clock: {type: termal}\nloading: {target: 1}", "2:15 clock.type", "did you mean 'thermal'?"),
    ("clock: {type: thermal}\nloading: {target: 1}", "2:8 clock.temperature", "is required; write"),
    (
        "clock: {rate: {}, law: sqrt}\nloading: {target: 1, rate: 1}",
        "2:24 clock.law",
        "belongs below rate: {rate: {law: …}}",
    ),
    ("clock: {temperature: 1}\nloading: {target: 1}", "2:8 clock", "say of which type it is, as c"),
    (
        "clock: {type: rate, temperature: 1}\nloading: {target: 1, rate: 1}",
        "2:21 clock.temperature",
        "temperature goes with type: thermal",
    ),
    (
        "clock: {thermal: {temperature: -1}}\nloading: {target: 1}",
        "2:32 clock.thermal.temperature",
        "must be positive, not -1",
    ),
    (
        "clock: {thermal: {temp: 1}}\nloading: {target: 1}",
        "2:19 clock.thermal.temp",
        "known here: temperature, exponent",
    ),
    (f"{LISTED}{{target: 1}}", "3:10 loading", "time never passes: give a rate"),
    (
        f"{LISTED}{{target: 0, hold: 1}}",
        "3:19 loading.target",
        "write a list: [{target: 0, hold: …",
    ),
    (f"{LISTED}{{cycle: [1, -1], cycles: 3}}", "3:18 loading.cycle", "[{repeat: 10, segments: ["),
    (
        f"{LISTED}{{control: extremal, until: {{strain: 1}}}}",
        "3:20 loading.control",
        "extremal goes by events, not by time",
    ),
    (
        f"{LISTED}[{{hold: 3}}]",
        "3:18 loading[0].hold",
        "nothing before it to hold: write {target: 0",
    ),
    (
        f"{LISTED}[{{target: 1, rate: 1, until: {{strain: 0.5}}}}, {{hold: 3}}]",
        "3:62 loading[1].hold",
        "ends by a rule, wherever that is: give a target, too",
    ),
    (f"{LISTED}[{{target: 1, rate: 1}}, {{rate: 3}}]", "3:33 loading[1].target", "is required"),
    (
        f"{LISTED}{{target: 1, hold: 1e16}}",
        "3:28 loading.hold",
        "1e+16 is more than 1e+15 units of the clock; give 1e+15 or less",
    ),
    (
        f"{LISTED}[{{target: 1, hold: 6.0e14}}, {{hold: 6.0e14}}]",
        "3:10 loading",
        "all of it lasts 1.2e+15, more than 1e+15 units of the clock; give 1e+15 or less",
    ),
    (
        "clock: {type: thermal, temperature: 1, attempt_time: 0.001}\n"
        "loading: {target: 10, rate: 1.0e-12}",
        "3:10 loading",
        "all of it lasts 1e+13, more than 1e+15 units of the clock; give 1e+12 or less",
    ),
    (
        f"{CLOCK}yielding: {{order: weakest}}\nloading: {{target: 1, hold: 1}}",
        "3:19 yielding.order",
        "one site yields at a time; leave it out",
    ),
]
CADENCES: Final = [
    (
        "{per_decade: 2}",
        "4:36 output.observables.per_decade",
        "goes with of: time, not with of: st",
    ),
    (
        "{of: time, every: 1, per_decade: 2}",
        "4:56 output.observables.per_decade",
        "stands for every; leave one of the two out",
    ),
    ("{of: time, every: 1, from: 2}", "4:50 output.observables.from", "goes with per_decade: {of:"),
    ("{of: time, every: 1.0e-8}", "4:41 output.observables.every", "more than 10,000,000 records"),
    (
        "{of: time, per_decade: 0}",
        "4:46 output.observables.per_decade",
        "must be at least 1, not 0",
    ),
]


@pytest.mark.parametrize(("text", "place", "remedy"), WRONG)
def test_a_wrong_clock(tmp_path: Path, text: str, place: str, remedy: str) -> None:
    lines = problems_of(tmp_path, f"{LATTICE}{text}\n")
    assert_said(lines, place, remedy)
    assert not any("time never passes" in line for line in lines if "never passes" not in remedy)


@pytest.mark.parametrize(("cadence", "place", "remedy"), CADENCES)
def test_a_wrong_cadence(tmp_path: Path, cadence: str, place: str, remedy: str) -> None:
    text = f"{LATTICE}{CLOCK}loading: {{target: 1, hold: 1}}\noutput: {{observables: {cadence}}}\n"
    assert_said(problems_of(tmp_path, text), place, remedy)


def test_a_clock_is_written_in_two_ways() -> None:
    hold = {"target": 0.3, "hold": 10}
    made = settings(clock={"thermal": {"temperature": 0.05}}, loading=hold)
    assert made == settings(loading=hold)
    assert made.clock == Thermal(0.05)
    assert written(made, "clock", "type") == "thermal"
    assert settings(clock={"rate": {}}, loading=hold).clock == Rate()
    assert settings(clock={"type": "rate", "law": "sqrt"}, loading=hold).clock.scale == 1.0


def test_loads_move_and_are_held() -> None:
    one = settings(loading={"control": "stress", "target": 0.3, "hold": 1e6}).loading
    assert one == Stress(0.3, hold=1e6)
    assert not one.until.any  # it ends: without a clock a rule is added
    several = settings(
        loading=[
            {"target": 0, "hold": 1e4},
            {"repeat": 2, "segments": [{"target": 0.3, "rate": 1e-4}, {"hold": 5}, {"target": 0}]},
        ]
    )
    assert isinstance(several.loading, Several)
    moved = (Strain(0.3, rate=1e-4), Strain(0.3, hold=5.0), Strain(0.0))
    assert several.loading.parts == (Strain(0.0, hold=1e4), *moved, *moved)
    expected = [1e4, 0.3 / 1e-4, 5, 0, 0.3 / 1e-4, 5, 0]
    assert times_of(several.loading) == pytest.approx(expected)
    assert written(several, "loading")[:2] == [
        {"control": "strain", "target": 0.0, "hold": 1e4},
        {"control": "strain", "target": 0.3, "rate": 1e-4},
    ]
    machine = {"control": "machine", "target": 1, "stiffness": 3, "rate": 1}
    held = settings(loading=[machine, {"hold": 2, "until": {"time": 2}}]).loading.parts[1]
    assert (held.stiffness, held.target, held.rate, held.hold) == (3.0, 1.0, None, 2.0)
    assert held.until.time == 2.0


def test_what_is_kept_of_a_run_with_a_clock() -> None:
    hold = {"target": 0.3, "hold": 10}
    decades = {"every": None, "of": "time", "per_decade": 10, "from": 1.0}
    made = settings(loading=hold)
    assert written(made, "output", "observables") == decades
    assert made.output.avalanches is False
    moves = settings(loading={"target": 0.3, "rate": 1e-4})
    assert written(moves, "output", "observables") == {"every": 0.005, "of": "strain"}
    for held in ({"target": 0.3, "rate": 1, "hold": 1}, [{"target": 0.3, "rate": 1}, {"hold": 1}]):
        assert written(settings(loading=held), "output", "observables") == decades
    instant = settings(clock={**THERMAL, "unstable": "instant"}, loading=hold)
    assert instant.output.avalanches is True
    asked = settings(loading=hold, output={"observables": {"every": 0.1}, "avalanches": True})
    assert written(asked, "output", "observables") == {"every": 0.1, "of": "strain"}
    assert asked.output.avalanches is True
    maps = settings(loading=hold, output={"fields": {"of": "time", "from": 100}}).output.fields
    assert maps is not None
    assert Cadence.parse(maps.model_dump()) == Cadence(float("inf"), "time", (), 1, 100.0)


@pytest.mark.parametrize(("cycles", "every"), [(3, 0.25), (100, 0.25), (100_000, 250.0)])
def test_a_sine_is_seen_in_each_cycle(cycles: int, every: float) -> None:
    sine = {"waveform": "sine", "amplitude": 0.1, "frequency": 0.1, "cycles": cycles}
    made = settings(clock={"type": "maxwell", "dt": 0.1}, loading=sine)
    assert written(made, "output", "observables") == {"every": every, "of": "time"}


WITHOUT: Final = [
    ({"target": 0.1}, {"control": "strain", "target": 0.1}),
    (
        {"control": "stress", "target": 1},
        {"control": "stress", "target": 1.0, "until": {"events_per_site": 100.0}},
    ),
    (
        {"control": "machine", "target": 1, "stiffness": 2, "hold": 0},
        {"control": "machine", "target": 1.0, "stiffness": 2.0},
    ),
    ([{"target": 0.1}], [{"control": "strain", "target": 0.1}]),
]


@pytest.mark.parametrize(("loading", "resolved"), WITHOUT)
def test_without_a_clock_nothing_is_said_of_time(loading: Any, resolved: Any) -> None:
    """Identities of runs hang on it, and going on with runs of before."""
    told = written(settings(clock=None, loading=loading, output={"fields": {"every": 0.1}}))
    assert told["loading"] == resolved
    assert "clock" not in told
    assert told["output"]["observables"] == {"every": 0.005, "of": "strain"}
    assert list(told["output"]["fields"]) == ["every", "of", "at", "dtype", "names"]
    assert told["output"]["avalanches"] is True


@pytest.mark.parametrize(("per_decade", "first"), [(10, 1.0), (1, 1e-3), (7, 0.3), (1000, 5e8)])
def test_marks_of_decades(per_decade: int, first: float) -> None:
    cadence = Cadence(float("inf"), "time", (), per_decade, first)
    marks = [first * 10 ** (j / per_decade) for j in range(12 * per_decade)]
    assert cadence.around(0.0) == (-float("inf"), first)
    assert cadence.around(first * 0.9) == (-float("inf"), first)
    assert cadence.around(marks[0]) == (-float("inf"), marks[1])
    for k, (before, after) in enumerate(pairwise(marks)):
        assert cadence.around((before * after) ** 0.5) == (before, after)
        if k:  # to the last bit, and from where rounding leads
            for near in (before, before * (1 - 1e-14), before * (1 + 1e-14)):
                assert cadence.around(near) == (marks[k - 1], after)


def test_marks_that_a_time_cannot_tell_apart() -> None:
    """At 1e15 a float64 has eighths: a mark must be ahead of where the run is, or it stands."""
    for cadence in (Cadence(float("inf"), "time", (), 10), Cadence(0.01, "time")):
        for value in (0.0, 1.0, 1.25, 1.5, 7.875):
            before, after = cadence.around(value, 0.875)
            assert before < value - 0.875
            assert after > value + 0.875
            assert cadence.around(after - 0.876, 0.875)[1] <= after


def test_multiples_of_large_times() -> None:
    cadence = Cadence(0.1, "time")
    time = 123456789 * 0.1
    for near in (time, time + 2e-9):  # what is left of it in float64
        assert cadence.around(near, 1e-8) == (123456788 * 0.1, 123456790 * 0.1)
    assert cadence.around(time + 0.05) == (time, 123456790 * 0.1)


MAXWELL: Final = "clock: {type: maxwell}\n"
MOVES: Final = "loading: {target: 0.1, rate: 0.1}\n"
SINE: Final = "waveform: sine, amplitude: 0.01"
WRONG_MAXWELL: Final = [
    (f"{MAXWELL}{MOVES}engine: lazy", "4:9 engine", "write spectral, or auto"),
    (f"{MAXWELL}{MOVES}yielding: {{sides: two}}", "4:11 yielding", "leave the section out"),
    (f"{MAXWELL}{MOVES}slip: {{c0: 1}}", "4:7 slip", "as clock.tau says; leave it out"),
    (f"{MAXWELL}{MOVES}kernel: {{type: shuffled}}", "4:16 kernel.type", "take another"),
    (f"{MAXWELL}{MOVES}output: {{avalanches: true}}", "4:22 output.avalanches", "leave it out"),
    (f"clock: {{type: maxwell, dt: 0.6}}\n{MOVES}", "2:28 clock.dt", "give 0.5 or less"),
    (f"{CLOCK}loading: {{{SINE}, frequency: 1}}", "3:21 loading.waveform", "{type: maxwell, tau"),
    (f"loading: {{{SINE}, frequency: 1}}", "2:21 loading.waveform", "write clock: {type: maxwell,"),
    (f"{MAXWELL}loading: {{{SINE}}}", "3:10 loading.frequency", "is required"),
    (f"{MAXWELL}loading: [{{{SINE}, frequency: 1}}]", "3:11 loading[0]", "a sine stands alone"),
    (
        f"{MAXWELL}loading: {{{SINE}, frequency: 1.0e-12, cycles: 1000}}",
        "3:72 loading.cycles",
        "all of them last 1e+15",
    ),
    (
        f"{MAXWELL}loading: {{control: machine, {SINE}}}",
        "3:39 loading.waveform",
        "goes with control: strain or stress",
    ),
]


@pytest.mark.parametrize(("text", "place", "remedy"), WRONG_MAXWELL)
def test_wrong_maxwell_sites(tmp_path: Path, text: str, place: str, remedy: str) -> None:
    assert_said(problems_of(tmp_path, f"{LATTICE}{text}\n"), place, remedy)


def test_maxwell_sites_are_of_one_engine() -> None:
    made = settings(
        clock={"type": "maxwell"},
        loading={"control": "stress", "waveform": "sine", "amplitude": 1, "frequency": 2},
    )
    assert made.engine == "spectral" and not made.output.avalanches
    assert (
        written(made, "loading", "cycles") == 10 and written(made, "loading", "control") == "stress"
    )

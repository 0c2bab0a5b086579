"""What all tests of reliability need: a run, and what must be true of what is left of it."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import (
    assert_same_bits,
    datasets,
    processes_of_session,
    run_python,
    settings_for,
)

SETTINGS = settings_for(
    (97, 61), engine="lazy", loading={"target": 0.25}, checkpoint={"every": "0.03 s"}
)
SMALL = settings_for(
    (11, 9), loading={"target": 0.05}, engine="direct", checkpoint={"every": "1 h"}
)
PROTOCOLS: dict[str, dict[str, Any]] = {
    "stress": {"loading": {"control": "stress", "target": 0.9, "until": {"strain": 0.25}}},
    "extremal": {
        "loading": {"control": "extremal", "until": {"plastic_strain": 0.2}},
        "output": {
            "directory": "run",
            "observables": {"every": 0.01, "of": "plastic_strain"},
            "events": True,
        },
    },
    "machine, then back": {
        "loading": [
            {"control": "machine", "stiffness": 8.0, "target": 0.2},
            {"control": "stress", "target": -0.2},
        ],
        "yielding": {"sides": "two"},
    },
    "cycles": {
        "lattice": {"shape": [23, 17]},
        "loading": {"cycle": [0.03, -0.03], "cycles": 40, "until": {"recurrence": True}},
        "yielding": {"sides": "two", "landscape": "quenched", "order": "weakest"},
        "initial_stress": {"std": 0.0},
    },
}
"""What runs of `SETTINGS` are changed to, to try each protocol."""

IN_TIME = {
    "directory": "run",
    "observables": {"of": "time", "per_decade": 10},
    "fields": {"of": "time", "every": 100.0},
    "avalanches": True,
    "events": True,
}
CLOCKS: dict[str, dict[str, Any]] = {
    "thermal creep": {
        "clock": {"thermal": {"temperature": 0.05}},
        "loading": {
            "control": "stress",
            "target": 0.3,
            "hold": 1e6,
            "until": {"events_per_site": 9.0},
        },
        "output": IN_TIME,
    },
    "thermal, instant, at a strain rate": {
        "clock": {"thermal": {"temperature": 0.02, "unstable": "instant"}},
        "loading": {"target": 0.2, "rate": 1e-4},
    },
    "rate": {
        "clock": {"rate": {"time": 2.0, "law": "sqrt", "scale": 0.5}},
        "loading": {"target": 0.2, "rate": 1e-3},
    },
}
"""The same, with a clock."""
SMALL_WITH_CLOCKS: dict[str, dict[str, Any]] = {
    "none": SMALL,
    "thermal creep": {
        **SMALL,
        **CLOCKS["thermal creep"],
        "loading": {"control": "stress", "target": 0.3, "hold": 6.0},
        "output": {**IN_TIME, "fields": {"of": "time", "every": 2.0}},
    },
    "thermal, instant, at a strain rate": {
        **SMALL,
        **CLOCKS["thermal, instant, at a strain rate"],
        "loading": {"target": 0.025, "rate": 1e-4},
    },
    "rate": {**SMALL, **CLOCKS["rate"], "loading": {"target": 0.035, "rate": 1e-3}},
}
"""`SMALL`, and the like with a clock."""


def with_protocol(name: str) -> dict[str, Any]:
    """Return the input of a protocol, or of a clock."""
    return {**SETTINGS, "lattice": {"shape": [61, 47]}, **{**PROTOCOLS, **CLOCKS}[name]}


COMMAND = ["-m", "hpcepm", "input.yaml", "--continue"]
PARTS_OF_A_CLEAN_END = ("Traceback", "Segmentation", "signal 11")


def write_input(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "input.yaml").write_text(yaml.safe_dump(settings))


def goes_on_to_the_same_bits(folder: Path, undisturbed: Path, ranks: int | None) -> None:
    done = run_python(COMMAND, ranks, folder)
    assert done.returncode in (0, 3) and "Traceback" not in done.stderr, done.stderr
    if done.returncode == 3:
        assert "holds a finished run" in done.stderr
    assert_same_bits(undisturbed, folder / "run")


def every_dataset_can_be_read(run: Path) -> None:
    if (run / "run.h5").exists():
        datasets(run / "run.h5")


def ranks_of(session: int) -> list[int]:
    """Return the processes of a session that are ranks of a run."""
    found = []
    for pid in processes_of_session(session):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"hpcepm" in arguments and b"-n" not in arguments:
            found.append(pid)
    return found


def has_three_ranks(session: int) -> bool:
    return len(ranks_of(session)) == 3


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.005)


def faulty(folder: Path, ranks: int | None, **fault: Any) -> subprocess.CompletedProcess[str]:
    return run_python(
        ["-m", "tests.faults.faults", json.dumps(fault), *COMMAND[2:]],
        ranks,
        folder,
        PYTHONPATH=str(ROOT),
    )


ROOT = Path(__file__).parents[2]

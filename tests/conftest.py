"""Shared by all tests: runs that end with their test, and the comparison of results."""

import contextlib
import fcntl
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest
import yaml

from hpcepm.input.plugins import LOADED
from hpcepm.input.typed import REGISTRIES
from hpcepm.model.observables import OBSERVABLES
from hpcepm.parallel.launch import initialize
from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.parallel.ranks import Ranks

for ignored in (signal.SIGINT, signal.SIGHUP):  # by nohup, or in the background of a script
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)

ROOT: Final = Path(__file__).parents[1]
"""The folder of the repository."""

COUNTS: dict[str, int] = {}
"""How often the harness of faults did what; printed at the end."""


class Count:
    """How often a test of reliability does its worst.

    A few times, or with ``--long`` as often as docs/reliability.md says.
    """

    def __init__(self, long: bool) -> None:
        self.long = long
        self._what = ""

    def of(self, what: str, few: int, many: int) -> int:
        """Begin to count something; return how often to do it."""
        self._what = what
        COUNTS[what] = 0
        return many if self.long else few

    def done(self) -> None:
        """Count one that went well."""
        COUNTS[self._what] += 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="tests of reliability as often as docs/reliability.md says",
    )


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    return Count(bool(request.config.getoption("--long")))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Initialise MPI where tests run: not in the process that starts workers, which inherit it."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", 0):
        initialize()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest; end with those of tests that run alone.

    One that runs alone waits until the other worker is through with a test, and that can be long.
    """
    late = {item.path for item in items if item.get_closest_marker("alone")}
    items.sort(key=lambda item: (item.path in late, item.path.parent.name != "golden"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test beside those of other workers (tools/test has two), or alone if it says so."""
    folder = getattr(item.config, "workerinput", {}).get("turns")
    if folder is None:
        return (yield)
    with open(Path(folder, "door"), "a") as door, open(Path(folder, "room"), "a") as room:
        fcntl.flock(door, fcntl.LOCK_EX)  # who waits for an empty room lets nobody else in
        fcntl.flock(room, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        return (yield)


@functools.cache
def turns() -> tempfile.TemporaryDirectory[str]:
    """Make a folder for the locks of workers; it goes with the process that starts them."""
    return tempfile.TemporaryDirectory(prefix="hpcepm-turns-")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the locks are."""
    node.workerinput["turns"] = turns().name


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the process that started this worker know what was counted."""
    if output := getattr(session.config, "workeroutput", None):
        output["counts"] = COUNTS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker counted."""
    for what, n in getattr(node, "workeroutput", {}).get("counts", {}).items():
        COUNTS[what] = COUNTS.get(what, 0) + n


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if COUNTS:
        terminalreporter.section("reliability: how often each went well")
        for what, n in COUNTS.items():
            terminalreporter.write_line(f"{n:6d}  {what}")


ALL_SHARE: Final = {"ranks_per_realization": 64}
"""Part of an input: all ranks share the realization, also those with no rows or processor."""

Run = Callable[..., subprocess.CompletedProcess[str]]

QUICK_START = {
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
"""Lets Open MPI not look for fast networks (a quarter of a second less at each start), and lets
ranks that wait make room for others on a busy machine."""


@pytest.fixture(autouse=True)
def _model_restored() -> Generator[None, None, None]:
    """Let what a test adds to the model be gone after it: others run in this process."""
    registries: list[dict[str, Any]] = [*REGISTRIES, LOADED]
    before, observables = [dict(registry) for registry in registries], [*OBSERVABLES]
    yield
    OBSERVABLES[:] = observables
    for registry, kinds in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kinds)


@pytest.fixture(scope="session")
def one_rank() -> Ranks:
    """Return the one rank that runs the tests."""
    return Ranks(initialize())


def start(
    command: list[str], ranks: int | None, cwd: Path, **environment: str
) -> subprocess.Popen[str]:
    """Start Python, under mpiexec if ``ranks`` is given, in a session of its own."""
    full = [*(mpiexec(ranks) if ranks else []), sys.executable, *command]
    return subprocess.Popen(
        full,
        cwd=cwd,
        env={**QUICK_START, **os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """Kill −9 a process and all it started, and wait until they are gone.

    Ranks are found by their session, which is ours.
    """
    while left := processes_of_session(process.pid):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.005)
    process.wait()


def processes_of_session(session: int) -> list[int]:
    """Return the living processes of a session; mpiexec puts its ranks in groups of their own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def run_python(
    command: list[str], ranks: int | None, cwd: Path, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end; if it takes too long, kill all of it and fail."""
    process = start(command, ranks, cwd, **environment)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        end(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def assert_on_ranks(program: str, ranks: int, folder: Path, *arguments: str) -> None:
    """Run a program of tests/ranks, and check that what it asserts is so on each rank."""
    command = ["-m", "mpi4py", "-m", f"tests.ranks.{program}", *arguments]
    done = run_python(command, ranks, folder, 300, PYTHONPATH=str(ROOT))  # it may have to compile
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def hpcepm(tmp_path: Path) -> Run:
    """Return a function that runs hpcepm on an input in a fresh directory.

    ``hpcepm(settings, *options, ranks=…)``.
    """

    def run(
        settings: dict[str, Any] | str, *options: str, ranks: int | None = None, **environment: str
    ) -> Any:
        path = tmp_path / "input.yaml"
        path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
        return run_python(
            ["-m", "hpcepm", "input.yaml", *options], ranks, tmp_path, 120, **environment
        )

    return run


def datasets(run_file: Path) -> dict[str, Any]:
    """Return every dataset of a ``run.h5``, by path."""
    found: dict[str, Any] = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = thing[()]

    with h5py.File(run_file, "r") as file:
        file.visititems(visit)
    return found


def assert_same_bits(one: Path, other: Path) -> None:
    """Check that two runs gave the same datasets, bit for bit."""
    a, b = datasets(one / "run.h5"), datasets(other / "run.h5")
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].tobytes() != b[name].tobytes()]
    assert not different
    assert a["observables/events"].max() > 0, "a comparison of runs in which nothing happened"
    assert not any(np.isnan(values).any() for values in a.values())


def settings_for(shape: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """Return an input that exercises everything, quickly."""
    settings: dict[str, Any] = {
        "lattice": {"shape": list(shape)},
        "thresholds": {"initial": "ESL", "renewal": "MCT"},
        "initial_stress": {"std": 0.3},
        "loading": {"target": 0.12},
        "seed": 3,
        "output": {
            "directory": "run",
            "observables": {"every": 0.01},
            "fields": {"every": 0.05},
            "events": True,
        },
        "checkpoint": {"every": "1 h"},
        "stall": "20 s",  # a false alarm would be seen
        **({} if "realizations" in changes else ALL_SHARE),
    }
    return {**settings, **changes}

"""A file system in a bad hour: any call on any file of a run fails, with any errno.

Each ends with a promised exit code and a message, and the run goes on to the same bits. With
``--long`` as often as docs/reliability.md says.
"""

import errno
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Count, assert_same_bits, run_python
from tests.faults.harness import COMMAND, SMALL, write_input

ERRORS = [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOSPC]
LARGER = ["--set", "loading.target=0.06"]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment that lets calls fail."""
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, failing: dict[str, str]) -> Path:
    """Return the folder of a run to which nothing happened; ``calls`` lists its calls."""
    folder = tmp_path_factory.mktemp("sound")
    write_input(folder, SMALL)
    watch = {"FAIL_IN": str(folder / "run"), "FAIL_LOG": str(folder / "calls")}
    done = run_python(COMMAND, None, folder, 60, **failing, **watch)
    assert done.returncode == 0, done.stderr
    return folder


def in_a_bad_hour(folder: Path, failing: dict[str, str], call: str, at: int, error: int) -> Any:
    write_input(folder, SMALL)
    told = {
        "FAIL": call,
        "FAIL_AT": str(at),
        "FAIL_WITH": str(error),
        "FAIL_IN": str(folder / "run"),
    }
    done = run_python(COMMAND, None, folder, 60, **failing, **told)
    assert done.returncode in (0, 1, 2, 3), (call, at, error, done.stderr)
    assert "Traceback" not in done.stderr, (call, at, error, done.stderr)
    assert done.returncode == 0 or done.stderr.strip(), (call, at, error)
    return done


def test_any_call_may_fail(
    tmp_path: Path, sound: Path, failing: dict[str, str], count: Count
) -> None:
    chance = random.Random(16)
    calls = Counter(line.split()[0] for line in (sound / "calls").read_text().splitlines())
    assert len(calls) > 12 and calls.total() > 200
    cases = [(name, k, chance.choice(ERRORS)) for name, n in calls.items() for k in range(n + 1)]
    few = chance.sample(cases, count.of("call of the file system that fails", 8, len(cases)))
    for name, k, error in few:
        folder = tmp_path / f"{name} {k}"
        in_a_bad_hour(folder, failing, name, k, error)
        done = run_python(COMMAND, None, folder)
        assert done.returncode in (0, 3) and "Traceback" not in done.stderr, (name, k, error)
        assert_same_bits(sound / "run", folder / "run")
        count.done()


def test_power_cuts(tmp_path: Path, sound: Path, failing: dict[str, str], count: Count) -> None:
    """The machine stops at any call, and of what was not synced yet anything may be on the disk."""
    chance = random.Random(17)
    calls = len((sound / "calls").read_text().splitlines())
    for k in chance.sample(range(1, calls), count.of("power cut at a call", 3, 60)):
        folder = tmp_path / str(k)
        write_input(folder, SMALL)
        cut = {"FAIL": "any", "FAIL_AT": str(k), "FAIL_WITH": "-9", "FAIL_IN": str(folder / "run")}
        assert run_python(COMMAND, None, folder, 60, **failing, **cut).returncode == -9
        for path in folder.rglob("*.partial"):
            content = path.read_bytes()
            kept = content[: chance.randrange(len(content) + 1)]
            path.write_bytes(kept + bytes(chance.randrange(len(content) + 1)))
        done = run_python(COMMAND, None, folder)
        assert done.returncode in (0, 3) and "Traceback" not in done.stderr, (k, done.stderr)
        assert_same_bits(sound / "run", folder / "run")
        count.done()


# 524 is ENOTSUPP, which the kernel of Linux lets out
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, 524])
def test_a_file_system_without_locks(
    tmp_path: Path, sound: Path, failing: dict[str, str], error: int
) -> None:
    done = in_a_bad_hour(tmp_path, failing, "flock", 0, error)
    assert done.returncode == 0, done.stderr
    assert_same_bits(sound / "run", tmp_path / "run")
    told = {"FAIL": "flock", "FAIL_AT": "0", "FAIL_WITH": str(error), "FAIL_IN": str(tmp_path)}
    for command in (["verify", "run"], ["summarize", "run"], [*COMMAND[2:], *LARGER]):
        done = run_python(["-m", "hpcepm", *command], None, tmp_path, 60, **failing, **told)
        assert done.returncode == 0, done.stderr


def test_a_file_system_that_syncs_no_directories(tmp_path: Path, sound: Path) -> None:
    """As some network and FUSE file systems: EINVAL."""
    write_input(tmp_path, SMALL)
    script = (
        "import errno, os\nreal = os.fsync\n"
        "def fsync(fd):\n"
        "    if os.path.isdir(f'/proc/self/fd/{fd}'): raise OSError(errno.EINVAL, 'Invalid')\n"
        "    real(fd)\n"
        "os.fsync = fsync\nfrom hpcepm.cli import main\nraise SystemExit(main(['input.yaml']))\n"
    )
    done = run_python(["-c", script], None, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bits(sound / "run", tmp_path / "run")

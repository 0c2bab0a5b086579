"""Standard streams on bad days: no traceback, and no exit code but for what has no room."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.run.terminal import Progress
from hpcepm.text import count, memory, visible, write
from tests.conftest import run_python, settings_for

GOOD = settings_for((8, 8), loading={"target": 0.02})
TROUBLES = {
    "closed output": ">&-",
    "closed errors": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "full output": ">/dev/full",
    "full errors": "2>/dev/full",
    "all full": ">/dev/full 2>&1",
    "no reader": "| true",
    "few words": "| head -c 1 >&2",
}
SOME = ("all closed", "all full", "few words")
FULL = ("full output", "all full")
"""What a command prints is lost: only a run is more than that."""
COMMANDS = {
    "--help": 0,
    "summarize run": 0,
    "verify run": 0,
    "plot run": 0,
    "input.yaml --output other": 0,
    "summarize nowhere": 2,
    "input.yaml --set seed=x": 2,
    "input.yaml": 3,
    "input.yaml --output stopped --set loading.target=90 --max-walltime 0": 75,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an input, and a run of it."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "input.yaml").write_text(yaml.safe_dump(GOOD))
    assert run_python(["-m", "hpcepm", "input.yaml"], None, folder).returncode == 0
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_streams_change_no_exit_code(folder: Path, command: str) -> None:
    troubles = SOME if "input.yaml" in command else TROUBLES
    for k, (trouble, ends) in enumerate((name, TROUBLES[name]) for name in troubles):
        own = command.replace("other", f"other{k}").replace("stopped", f"stopped{k}")
        line = f"'{sys.executable}' -m hpcepm {own} {ends}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True)
        lost = trouble in FULL and COMMANDS[command] == 0 and "input.yaml" not in command
        assert done.returncode == (1 if lost else COMMANDS[command]), (trouble, done)
        assert ("hpcepm: standard output: No space left" in done.stderr) == (
            lost and "2>" not in ends
        )
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_others_print_changes_no_exit_code(folder: Path, tmp_path: Path, stream: str) -> None:
    (tmp_path / "matplotlib.py").write_text(f"import sys\nsys.{stream}.write('a word')\n1 / 0\n")
    line = f"'{sys.executable}' -m hpcepm plot run >/dev/full 2>&1"
    printing = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=printing)
    assert done.returncode == 1, "it was 120 when Python failed to flush"


@pytest.mark.parametrize("command", ["summarize run", "--help", "verify run"])
def test_ascii_streams(folder: Path, command: str) -> None:
    ascii_only: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = run_python(["-m", "hpcepm", *command.split()], None, folder, **ascii_only)
    assert done.returncode == 0 and done.stdout.isascii() and not done.stderr


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Yield the ends of a pipe that is full, and whose writer does not block."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        os.write(writer, b"x" * 2**20)
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def test_a_stream_that_does_not_block(folder: Path) -> None:
    command = [sys.executable, "-m", "hpcepm", "summarize", "run"]
    with full_pipe() as (_, writer):
        assert subprocess.run(command, cwd=folder, stdout=writer, timeout=240).returncode == 0
    with (
        full_pipe() as (reader, writer),
        subprocess.Popen(command, cwd=folder, stdout=writer) as process,
    ):
        os.read(reader, 2**20)  # from now on somebody reads
        assert process.wait(timeout=240) == 0 and b"plateau" in os.read(reader, 2**20)


def test_nothing_is_opened_in_the_place_of_a_closed_stream(folder: Path, tmp_path: Path) -> None:
    """What MPI prints by itself would go into that file."""
    note = tmp_path / "note"
    (tmp_path / "matplotlib.py").write_text(
        f"import os\nnames = [os.readlink(f'/proc/self/fd/{{k}}') for k in range(3)]\n"
        f"open({str(note)!r}, 'w').write(' '.join(names))\n"
    )
    noting = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    line = f"'{sys.executable}' -m hpcepm plot run <&- >&- 2>&-"
    subprocess.run(["bash", "-c", line], cwd=folder, env=noting)
    assert note.read_text() == "/dev/null /dev/null /dev/null"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("σ = 1.5 … █\n", "σ = 1.5 … █\n"),
        ("\x1b[31mred\x07\x7f\r", r"\x1b[31mred\x07\x7f\r"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egnp.exe\u2066\u200f", r"\u202egnp.exe\u2066\u200f"),
        (b"\xff".decode(errors="surrogateescape"), r"\udcff"),
    ],
)
def test_nothing_controls_a_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown
    stream = StringIO()
    write(text, stream)
    Progress(1.0, quiet=False, stream=stream).say([text])
    assert stream.getvalue() == f"{shown}{shown}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[2J.yaml"],
        ["summarize", "\x1b[2J"],
        ["plot", "run", "\x1b[2J"],
        ["input.yaml", "--set", "\x1b[2J=1"],
        ["input.yaml", "--\x1b[2J"],
        ["input.yaml", "--output", "run/\x1b[2J"],
        ["calibrate", "\x1b[2J"],
    ],
)
def test_names_reach_no_terminal_raw(folder: Path, arguments: list[str]) -> None:
    done = run_python(["-m", "hpcepm", *arguments], None, folder)
    assert "\x1b" not in done.stdout + done.stderr and done.stdout + done.stderr


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "nonsense", "module://nowhere"]
)
def test_the_backend_of_a_notebook_is_not_for_a_picture(folder: Path, backend: str) -> None:
    done = run_python(["-m", "hpcepm", "plot", "run"], None, folder, MPLBACKEND=backend)
    assert (done.returncode, done.stdout, done.stderr) == (0, "run/summary.png\n", "")


def test_a_broken_matplotlib_is_one_line_and_the_run_is_done(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise RuntimeError('on purpose')\n")
    command = ["-m", "hpcepm", "input.yaml", "--output", str(tmp_path / "run"), "--plot"]
    first: dict[str, Any] = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = run_python(command, None, folder, **first)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  picture   none: RuntimeError: on purpose\n" in done.stdout
    done = run_python(["-m", "hpcepm", "plot", "run"], None, folder, **first)
    assert done.returncode == 1 and done.stderr == (
        "hpcepm: plot failed: RuntimeError: on purpose\n"
    )


def test_no_home_and_no_place_for_scratch(folder: Path, tmp_path: Path) -> None:
    cache: dict[str, Any] = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(tmp_path))}
    bad: dict[str, Any] = {
        "HOME": "/proc/nowhere",
        "TMPDIR": "/proc/nowhere",
        "MPLCONFIGDIR": "/proc/nowhere",
    }
    for command in ("summarize run", "verify run", "plot run", "input.yaml --plot --output home"):
        done = run_python(["-m", "hpcepm", *command.split()], None, folder, **bad, **cache)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_amounts_are_written_without_powers_of_ten() -> None:
    assert [memory(n * 2**10) for n in (1.234, 999.6, 1010, 1023.9)] == [
        "1.23 KiB",
        "1000 KiB",
        "1010 KiB",
        "1024 KiB",
    ]
    assert [count(n) for n in (950, 12_345, 999_700)] == ["950", "12.3k", "1000k"]

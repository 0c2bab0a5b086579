"""Every line of code in the documents, run as a user would type it.

Each document is typed from its top to its end into a fresh checkout of its own. A fenced block is
``python``, ``yaml``, ``sh`` or ``text``, which is no code; an indented block is ``sh``. Python and
YAML whose first line is a comment with the name of a file are saved under that name; other YAML is
an input, or a part of one, and is read. Where a comment stands before a block, it is

    <!-- not run: why -->
    <!-- started, then stopped: why -->       by a file STOP in the directory of the run

The environment is the one under test: what sets it up, tools/setup, is not done again. SLURM is
played by stand-ins that start one rank.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hpcepm.calibration.target import read_target
from hpcepm.input.read import read_input
from hpcepm.parallel.mpiexec import mpiexec
from tests.conftest import QUICK_START, end

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    p for room in (".", "docs", "jobs", "tests") for p in (ROOT / room).glob("*.md")
)
IDS: Final = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
SECONDS: Final = 600
MARKER: Final = re.compile(r"<!-- (not run|started, then stopped): \w.* -->")
NAME: Final = re.compile(r"# ([\w./-]+\.(?:py|yaml))")
COMMAND: Final = re.compile(
    r"^\s*(\.venv/|tools/\w|mpiexec |hpcepm |python |sbatch |pip |git )", re.M
)
REQUIRED: Final = {"lattice": "{shape: [8, 8]}", "loading": "{target: 0.1}"}
STAND_INS: Final = {
    "sbatch": 'while [[ $1 == -* ]]; do shift; done; SLURM_JOB_ID=7 exec bash "$@"',
    "srun": 'while [[ $1 == -* ]]; do shift; done; exec mpiexec -n 1 "$@"',
}


class Block(NamedTuple):
    """A block of code, or of text, of a document."""

    line: int
    language: str
    text: str
    marker: str | None

    @property
    def name(self) -> str | None:
        """The file that it is the content of."""
        named = NAME.fullmatch(self.text.partition("\n")[0])
        return named[1] if named and self.language in ("python", "yaml") else None


def blocks(document: str) -> Iterator[Block]:
    """Yield the blocks of a document, in order."""
    fenced = r"^ *```(?P<language>\w*)\n(?P<fenced>.*?)^ *```$"
    indented = r"(?<=\n\n)(?P<indented>(?: {4,}\S[^\n]*\n|\n(?= {4}))+)"
    before = 0
    for found in re.finditer(f"{fenced}|{indented}", document, re.M | re.S):
        marker = MARKER.fullmatch(document[before : found.start()].rstrip().rpartition("\n")[2])
        before = found.end()
        yield Block(
            document.count("\n", 0, found.start()) + 1,
            "sh" if found["indented"] else found["language"],
            textwrap.dedent(found["indented"] or found["fenced"]),
            marker and marker[1],
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a fresh checkout, without the package: that is imported from here, compiled."""
    for name in ("docs", "inputs", "jobs", "tests", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    executable(tmp_path / "tools" / "setup", "exit 0")
    executable(tmp_path / "bin" / "mpiexec", f'exec {" ".join(mpiexec(1)[:-2])} "$@"')
    for name, does in STAND_INS.items():
        executable(tmp_path / "bin" / name, does)
    return tmp_path


def executable(path: Path, does: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/bash\n{does}\n")
    path.chmod(0o755)


def typed(checkout: Path, command: list[str], stop: bool) -> str | None:
    """Run a command; return what went wrong."""
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    before = set(checkout.glob("runs/*"))
    process = subprocess.Popen(
        command,
        cwd=checkout,
        env={**QUICK_START, **os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        if stop:
            stop_new_run(process, checkout, before)
        said, _ = process.communicate(timeout=SECONDS)
    finally:
        end(process)
    expected = 75 if stop else 0
    return None if process.returncode == expected else f"exit {process.returncode}\n{said}"


def stop_new_run(process: subprocess.Popen[str], checkout: Path, before: set[Path]) -> None:
    """Wait until a run has begun, and ask it to stop."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        begun = [run for run in checkout.glob("runs/*") if (run / "run.h5").exists()]
        for run in set(begun) - before:
            (run / "STOP").touch()
            return
        time.sleep(0.05)


def problem_of(block: Block, checkout: Path) -> str | None:
    """Do with a block what a reader does; return what went wrong."""
    stop = block.marker == "started, then stopped"
    if block.name:
        (checkout / block.name).write_text(block.text)
    match block.language:
        case "text":
            return "holds a command, and is not run" if COMMAND.search(block.text) else None
        case "sh":
            return typed(checkout, ["bash", "-euo", "pipefail", "-c", block.text], stop)
        case "python" if not block.name:
            return typed(checkout, [sys.executable, "-c", block.text], stop)
        case "yaml" if "fit:" in block.text:
            path = checkout / "inputs" / "calibrate" / "block.yaml"  # what it names lies there
            path.write_text(block.text)
            read_target(str(path), [], None)
            return None
        case "yaml" if not block.name:
            missing = [k for k in REQUIRED if not re.search(f"^{k}:", block.text, re.M)]
            path = checkout / "block.yaml"
            path.write_text(block.text + "".join(f"{k}: {REQUIRED[k]}\n" for k in missing))
            read_input(str(path), [], None)
            return None
        case "python" | "yaml":
            return None  # by the command that names the file
    return f"no runner for {block.language!r}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_block_runs(path: Path, checkout: Path) -> None:
    found = list(blocks(path.read_text()))
    for block in found:
        problem = None if block.marker == "not run" else problem_of(block, checkout)
        assert problem is None, f"{path}:{block.line}\n{block.text}\n{problem}"
    commands = "\n".join(block.text for block in found if block.language == "sh")
    assert [b.name for b in found if b.name and b.name not in commands] == [], "saved, never used"


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_what_a_document_names_is_there(path: Path) -> None:
    text = path.read_text()
    links = [path.parent / link for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text)]
    rooms = r"`((?:\.ci|docs|hpcepm|inputs|jobs|tests|tools)/[\w./*-]*)"
    named = [ROOT / name for name in re.findall(rooms, text)]
    assert [str(p) for p in (*links, *named) if not any(p.parent.glob(p.name))] == []


def test_blocks_are_found() -> None:
    text = (
        "Say:\n\n    tools/run a\n\n    tools/run b\n\n<!-- not run: slow -->\n\n"
        "```yaml\n# a.yaml\nseed: 1\n```\n1. Then\n\n        sbatch c\n"
    )
    assert list(blocks(text)) == [
        Block(3, "sh", "tools/run a\n\ntools/run b\n", None),
        Block(9, "yaml", "# a.yaml\nseed: 1\n", "not run"),
        Block(15, "sh", "sbatch c\n", None),
    ]
    assert [block.name for block in blocks(text)] == [None, "a.yaml", None]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "false\ntrue\n"),
        ("sh", ".venv/bin/python -m hpcepm no-such-file.yaml\n"),
        ("python", "import no_such_module\n"),
        ("text", "mpiexec -n 2 true\n"),
        ("fortran", "end\n"),
    ],
)
def test_what_is_wrong_is_found(checkout: Path, language: str, text: str) -> None:
    assert problem_of(Block(1, language, text, None), checkout)

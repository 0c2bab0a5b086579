"""The command line of this process, as it was typed."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from hpcepm.run.stopping import TOOL
from hpcepm.text import quoted

LAUNCHERS: Final = ("mpiexec", "mpirun", "orterun", "prterun")
"""Programs whose own command line has ours at its end."""


def command(*more: str) -> str:
    """Return the command that started this process, or all ranks, with some words more.

    What the shell would take for something else is quoted.
    """
    told = os.environ.get(TOOL) or " ".join(map(quoted, _of_launcher() or _own()))
    return " ".join([told, *map(quoted, more)])


def _own() -> list[str]:
    """Return the words of this process; a program that is found by its name has just that."""
    program, *rest = sys.orig_argv
    if rest and rest[0].endswith("/hpcepm") and Path(rest[0]).is_file():  # by its first line, #!
        program, *rest = rest
    name = os.path.basename(program)
    return [name if shutil.which(name) == program else program, *rest]


def _of_launcher() -> list[str]:
    """Return the words of the launcher that is the parent of this process; none if it is another.

    On a machine that another one's launcher reaches, and under SLURM, it is another.
    """
    try:
        line = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return []
    words = [os.fsdecode(word) for word in line.split(b"\0")[:-1]]
    name = os.path.basename(words[0]).partition(".")[0] if words else ""
    return words if name in LAUNCHERS else []

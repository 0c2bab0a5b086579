"""A job script for SLURM, as those in jobs/, with time and memory of a forecast."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from hpcepm.text import duration, memory, quoted

from .forecast import Forecast
from .provenance import JOBS

LONGEST: Final = 24 * 3600
"""Seconds of one part: what most clusters allow; longer runs are a chain of parts."""

MARGIN: Final = 1.5
SECONDS_TO_STOP: Final = 300
MEMORY_MARGIN: Final = 1.25

QUARTER: Final = 900


def job_script(found: Forecast, arguments: Sequence[str]) -> str:
    """Return a job script.

    Parameters
    ----------
    found
        What the run will take.
    arguments
        The input, and options of the run.
    """
    whole, team = found.whole, found.team
    asked = LONGEST if whole is None else _rounded(MARGIN * whole.high + SECONDS_TO_STOP)
    chain = asked >= LONGEST
    to_a_node, nodes = ceil(team.ranks / team.nodes), team.nodes
    on = f"-n {team.ranks}" + f" --nodes {nodes}" * (nodes > 1)
    mib = ceil(MEMORY_MARGIN * sum(found.memory.values()) / 2**20 / 256) * 256
    words = " ".join(map(quoted, arguments))
    lines = [
        "#!/bin/bash",
        f"# Made by: hpcepm check {words} {on} --slurm",
        f"# {_told(found)}",
        "",
        "#SBATCH --job-name=hpcepm",
        f"#SBATCH --nodes={nodes}",
        f"#SBATCH --ntasks={team.ranks}" + (f" --ntasks-per-node={to_a_node}" if nodes > 1 else ""),
        f"#SBATCH --time={_clock(min(asked, LONGEST))}",
        f"#SBATCH --mem={mib}M            # of a node: {MEMORY_MARGIN:g} times what is expected",
        f"#SBATCH --signal=USR1@{SECONDS_TO_STOP}     # before the end: checkpoint and stop",
        *(["#SBATCH --requeue"] if chain else []),
        "#SBATCH --open-mode=append",
        "##SBATCH --account=…            # what your cluster wants to know besides: remove one #",
        "##SBATCH --partition=…",
        "",
        "set -euo pipefail",
        f"set -- {words}",
        f"here={quoted(str(JOBS))} # where common.sh is",
        'source "$here/common.sh"',
        'part requeue "$@"' if chain else 'hpcepm "$@"',
    ]
    return "\n".join(lines)


def _told(found: Forecast) -> str:
    """Say what is expected."""
    whole, room = found.whole, memory(sum(found.memory.values()))
    if whole is None:
        return f"Expected: {room} a node; its events cannot be known, so it is a chain of parts."
    low, high = duration(whole.low), duration(whole.high)
    return f"Expected: {duration(whole.value)} ({low} to {high}), {room} a node."


def _rounded(seconds: float) -> int:
    """Return seconds, rounded up to a quarter of an hour."""
    return ceil(seconds / QUARTER) * QUARTER


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:00"

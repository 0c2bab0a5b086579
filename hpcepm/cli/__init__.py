"""The command line.

    hpcepm INPUT [--set key.path=value ...] [--output DIR] [--continue] [--max-walltime TIME]
                 [--plugin FILE ...] [--plot] [--quiet]
    hpcepm plot | summarize | verify RUNDIR
    hpcepm calibrate TARGET [--set key=value ...] [--output DIR] [--quiet]

``hpcepm run INPUT`` and ``python -m hpcepm`` are the same. Exit codes: 0 the target was reached;
1 something failed; 2 the input or the command line is wrong, and nothing was written; 3 the
directory is in use, or holds a run that was not to be touched; 75 the run was asked to stop, and
--continue goes on. (Ctrl-C ends plot, summarize and verify with 130, as any program.) What cannot
be printed changes none of them.
"""

from hpcepm.run.stopping import StopRequest

from .base import DIRECTORY_TAKEN, FAILED, REACHED, STOPPED, WRONG_INPUT

__all__ = ["DIRECTORY_TAKEN", "FAILED", "REACHED", "STOPPED", "WRONG_INPUT", "main"]


def main(arguments: list[str]) -> int:
    """Carry out a command line; return the exit code. Collective, but for those that only look."""
    from . import look

    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command in look.COMMANDS:
        return look.main(command, rest)
    stop_request = StopRequest().listen()  # first of all: a signal may come while modules load
    if command == "calibrate":
        from . import calibrate

        return calibrate.main(rest, stop_request)
    from . import run

    return run.main(rest if command == "run" else arguments, stop_request)

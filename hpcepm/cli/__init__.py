"""The command line.

    hpcepm INPUT [--set key.path=value ...] [--output DIR] [--continue] [--max-walltime TIME]
                 [--plugin FILE ...] [--plot] [--quiet]
    hpcepm check INPUT [-n P] [--nodes M] [--set key.path=value ...] [--slurm | --json]
    hpcepm init [FILE] | explain [KEY] | schema
    hpcepm sweep INPUT key=values ... [--output DIR] [-j N] [-n RANKS] [--dry-run | --array]
    hpcepm status RUN ... [--json]
    hpcepm plot RUN... [--panel NAME ...] [--field NAME] [--movie FILE] [--out FILE] ...
    hpcepm compare RUN RUN... [--window A:B] [--json]
    hpcepm summarize RUNDIR [--window A:B] [--json]
    hpcepm report RUNDIR [--out FILE.html] [--watch [SECONDS]]
    hpcepm verify RUNDIR [--repair]
    hpcepm cite [RUNDIR]
    hpcepm export RUNDIR [--netcdf F] [--zarr DIR] [--vtk DIR] [--xdmf F] [--csv DIR]
    hpcepm pack RUNDIR [--out F]
    hpcepm calibrate TARGET [--set key=value ...] [--output DIR] [--quiet]
    hpcepm help [COMMAND]

``hpcepm run INPUT`` and ``python -m hpcepm`` are the same. Exit codes: 0 the target was reached;
1 something failed; 2 the input or the command line is wrong, and nothing was written; 3 the
directory is in use, or holds a run that was not to be touched; 75 the run was asked to stop, and
--continue goes on. (Ctrl-C ends those that only look with 130, as any program.) What cannot
be printed changes none of them.
"""

import os
from importlib import import_module

from hpcepm.faults import FAILED
from hpcepm.run.stopping import StopRequest


def main(arguments: list[str]) -> int:
    """Carry out a command line; return the exit code. Collective, but for those that only look."""
    from . import look

    if "_ARGCOMPLETE" in os.environ:
        from .completion import complete

        complete()
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "help":  # as many programs have it
        return main([*rest[:1], "--help"])
    if command in look.COMMANDS:
        return look.main(command, rest)
    if command in ("-h", "--help", "--version"):
        from hpcepm.parallel.mpiexec import ranks_started

        from .options import tell

        if ranks_started()[1] == 1:  # else it is for one of the ranks to tell
            return tell(command)
    stop_request = StopRequest().listen()  # first of all: a signal may come while modules load
    named = command in ("calibrate", "sweep", "run")
    try:
        module = import_module(f".{command if named else 'run'}", __package__)
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError, MemoryError) as error:  # of a library that cannot be mapped
        from .base import complain

        remedy = "is memory limited (ulimit -v), or a package damaged?"
        told = str(error) or "not enough memory"
        return complain(0, f"hpcepm: cannot be loaded: {told}; {remedy}", FAILED)
    code: int = module.main(rest if named else arguments, stop_request)
    return code

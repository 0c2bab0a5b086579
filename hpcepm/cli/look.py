"""Commands that look at the directory of a run: they need neither MPI nor a compiler."""

import argparse
from typing import Final

from hpcepm.layout import NoRun
from hpcepm.text import report_fault

from .base import (
    FAILED,
    INTERRUPTED,
    REACHED,
    WRONG_INPUT,
    NoPicture,
    Parser,
    UsageError,
    complain,
    draw,
    say,
)


def _plot(options: argparse.Namespace) -> int:
    say(str(draw(options.directory)))
    return REACHED


def _summarize(options: argparse.Namespace) -> int:
    from hpcepm.analysis.summarize import report

    say("\n".join(report(options.directory)))
    return REACHED


def _verify(options: argparse.Namespace) -> int:
    from hpcepm.analysis.verify import report

    if options.repair:
        from hpcepm.run.salvage import repair

        say(repair(options.directory))
    return REACHED if report(options.directory, say) else FAILED


COMMANDS: Final = {
    "plot": (_plot, "Draw RUNDIR/summary.png."),
    "summarize": (_summarize, "Print means over realizations, and write RUNDIR/summary.csv."),
    "verify": (_verify, "Check that RUNDIR holds what its run computed."),
}


def main(name: str, arguments: list[str]) -> int:
    """Carry out a command that takes the directory of a run; return the exit code."""
    command, description = COMMANDS[name]
    parser = Parser(prog=f"hpcepm {name}", description=description)
    parser.add_argument("directory", metavar="RUNDIR")
    if name == "verify":
        said = "first make run.h5 anew from the pieces"
        parser.add_argument("--repair", action="store_true", help=said)
    try:
        return command(parser.parse_args(arguments))
    except UsageError as error:
        return complain(0, str(error), WRONG_INPUT)
    except NoRun as error:
        return complain(0, f"hpcepm: {error}", WRONG_INPUT)
    except (NoPicture, OSError) as error:
        return complain(0, f"hpcepm: {name} failed: {error}", FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        report_fault(error)
        return FAILED

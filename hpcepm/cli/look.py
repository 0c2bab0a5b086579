"""Commands that look at the directory of a run: they need neither MPI nor a compiler."""

from typing import Final

from hpcepm.layout import NoRun

from .base import FAILED, REACHED, WRONG_INPUT, Parser, UsageError, complain, say


def _plot(directory: str) -> int:
    from hpcepm.analysis.plot import draw_summary

    say(str(draw_summary(directory)))
    return REACHED


def _summarize(directory: str) -> int:
    from hpcepm.analysis.summarize import report

    say("\n".join(report(directory)))
    return REACHED


def _verify(directory: str) -> int:
    from hpcepm.analysis.verify import report

    return REACHED if report(directory, say) else FAILED


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
    try:
        return command(parser.parse_args(arguments).directory)
    except UsageError as error:
        complain(0, str(error), WRONG_INPUT)
    except NoRun as error:
        complain(0, f"hpcepm: {error}", WRONG_INPUT)
    return WRONG_INPUT

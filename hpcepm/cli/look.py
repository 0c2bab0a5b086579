"""Commands that one process carries out: each is a file of this folder, and a name here.

Such a file has ``DESCRIPTION``, ``add_options(parser)`` and ``carry_out(options)``, which returns
the exit code. It imports what it needs in ``carry_out``: MPI and a compiler only if it computes.
"""

import signal
import warnings
from importlib import import_module
from typing import Final

from hpcepm.faults import FAILED, INTERRUPTED, WRONG_INPUT, NoRun
from hpcepm.text import report_fault

from .base import NoPicture, Parser, UsageError, complain

COMMANDS: Final = (
    *("init", "explain", "schema", "check"),
    *("status", "plot", "summarize", "compare", "report"),
    *("verify", "export", "pack", "cite"),
)


def main(name: str, arguments: list[str]) -> int:
    """Carry out a command; return the exit code."""
    command = import_module(f"hpcepm.cli.{name}")
    parser = Parser(prog=f"hpcepm {name}", description=command.DESCRIPTION)
    command.add_options(parser)
    heard: list[int] = []  # where Python drops exceptions, as of garbage, it would be for nothing

    def interrupt(number: int, _: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # by hpcepm.__main__
        signal.signal(signal.SIGINT, interrupt)
    try:
        with warnings.catch_warnings():  # a run may hold infinity: what follows from it is shown
            warnings.simplefilter("ignore", RuntimeWarning)
            code: int = command.carry_out(parser.parse_args(arguments))
        return INTERRUPTED if heard else code
    except UsageError as error:
        return complain(0, str(error), WRONG_INPUT)
    except NoRun as error:
        return complain(0, f"hpcepm: {_told(error)}", WRONG_INPUT)
    except (NoPicture, OSError) as error:
        return complain(0, f"hpcepm: {name} failed: {error}", FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        report_fault(error)
        return FAILED


def _told(error: NoRun) -> str:
    """Return why a run cannot be shown, and what to do: that depends on who is at work there."""
    from hpcepm.analysis.results import TooEarly

    if not isinstance(error, TooEarly):
        return str(error)
    from hpcepm.storage.lock import holder_of

    holder = holder_of(error.directory / "run.lock")
    if holder is not None and holder.alive:
        return f"{error.what}; wait a little: {holder.told} is at work there"
    return f"{error.what}, and nobody is at work there; go on with: hpcepm INPUT --continue"

"""``hpcepm plot``: pictures of one run, or of several in one figure."""

import argparse
from pathlib import Path

from hpcepm.faults import REACHED

from .base import UsageError, drawing, needs_folder, say, window

DESCRIPTION = """\
Draw a run at a glance, RUN/summary.png; several runs in the same panels, comparison.png; chosen
panels; or maps of a field. Pictures and all options: docs/pictures.md.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="*", help="the directory of a run")
    add("--panel", metavar="NAME", nargs="+", default=[], help="draw these; --panel list names all")
    add("--field", metavar="NAME", help="draw a map of this field, epsilon_p say")
    add("--strain", metavar="E", type=float, help="where the map is taken; else the last one")
    add("--realization", metavar="K", type=int, help="of which realization; else of the first")
    add("--movie", metavar="FILE", type=Path, help="a .gif or .mp4 of the field, else of epsilon_p")
    add("--out", metavar="FILE", type=Path, help="where the picture goes: a .pdf, .svg or .png")
    said = "what is shaded: nine in ten realizations (quantiles, the default), or mean ± error"
    add("--band", choices=["quantiles", "error"], help=said)
    add("--window", metavar="A:B", type=window, help="strains of which a distribution is made")
    add("--no-title", action="store_true", help="without a title, for a paper")


def carry_out(options: argparse.Namespace) -> int:
    """Draw; return the exit code."""
    if options.panel == ["list"]:
        from hpcepm.analysis.panels.selection import listed

        say(listed())
        return REACHED
    field = options.field or ("epsilon_p" if options.movie else "")
    before = ", before --panel" if options.panel else ""
    refused = {
        f"which run? Name its directory{before}": not options.runs,
        "--strain goes with --field": options.strain is not None and not options.field,
        "--realization goes with --field or --movie": options.realization is not None and not field,
        "--panel and --field are two pictures": options.panel and options.field,
        "--panel and --movie are two pictures": options.panel and options.movie,
        "--window is of a distribution, not of a map": options.window and field,
        "--band is of curves, not of a map": options.band and field,
        "--movie shows all strains; leave --strain out": options.movie
        and options.strain is not None,
        "--movie names its own file; leave --out out": options.movie and options.out,
    }
    if wrong := [said for said, is_so in refused.items() if is_so]:
        raise UsageError("\n".join(f"hpcepm: {said}" for said in wrong))
    needs_folder(options.out or options.movie or "")
    with drawing():
        from hpcepm.analysis.plot import Wanted, draw

        wanted = Wanted(
            tuple(name for given in options.panel for name in given.split(",") if name),
            field,
            options.strain,
            options.realization,
            options.band or "",
            options.window,
            not options.no_title,
            options.out,
            options.movie,
        )
        try:
            say(str(draw(options.runs, wanted)))
        except OSError as error:
            if options.out or options.movie:
                raise
            raise OSError(f"{error}; --out FILE draws it elsewhere") from None
    return REACHED

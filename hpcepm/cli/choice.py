"""On how many ranks `tools/run` runs an input, and why: the fastest on the idle processors."""

import sys

from hpcepm.input import Input, InputError, read_input
from hpcepm.input.plugins import load_plugin
from hpcepm.model.cost import event_us
from hpcepm.model.engines import choose_engine
from hpcepm.parallel.processors import IdleProcessors, allowed_processors
from hpcepm.run.sharing import fastest_for
from hpcepm.text import write

from .base import UsageError
from .options import run_parser


def why(settings: Input, engine: str, ranks: int, idle: int) -> str:
    """Return in words why so many ranks are taken."""
    (nx, ny), allowed = settings.lattice.shape, len(allowed_processors())
    of_ranks = f"{ranks} rank{'s' if ranks > 1 else ''}; {idle} of {allowed} processors are idle"
    if settings.realizations > 1:
        return f"{of_ranks}, for {settings.realizations} realizations. -n takes another"
    clocked = settings.clock is not None
    costs = {n: event_us((nx, ny), engine, n, clocked=clocked) for n in sorted({1, ranks, idle})}
    told = ", ".join(f"{sum(us.values()):.2g} µs on {n}" for n, us in costs.items())
    return f"{of_ranks}. Estimated for an event, by number of ranks: {told}. -n takes another"


def choose(arguments: list[str], processors: IdleProcessors) -> int:
    """Return the number of ranks, and say on standard error why."""
    try:
        options = run_parser().parse_args(arguments)
        if options.input is None:
            raise UsageError("no input")
        for path in options.plugin:
            load_plugin(path)
        settings = read_input(options.input, options.set, options.output).settings
    except (InputError, UsageError):
        return 1  # the run itself says what is wrong
    (nx, ny), idle = settings.lattice.shape, processors.count()
    engine = choose_engine(settings.engine, (nx, ny), settings.kernel).engine
    ranks = fastest_for(settings, engine, idle)
    if not options.quiet:
        write(f"tools/run: {why(settings, engine, ranks, idle)}\n", sys.stderr)
    return ranks

"""On how many ranks `tools/run` runs an input, and why: the fastest on the idle processors.

An input is looked at without the model, which takes a second to load: what is wrong with it is
left for the run to say.
"""

import sys
from math import inf
from typing import Any, Final

from hpcepm.input.problems import InputError
from hpcepm.input.source import read_document
from hpcepm.model.choice import choose_engine
from hpcepm.model.cost import event_us
from hpcepm.parallel.processors import IdleProcessors, allowed_processors
from hpcepm.run.sharing import Work, fastest_ranks
from hpcepm.text import write

from .base import UsageError
from .options import run_parser

NO_INPUT: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of keys that no input has: texts for mappings, numbers that are none or too large."""


def work_in(content: dict[str, Any]) -> Work:
    """Return what an input asks for, of which it is not known whether it is valid.

    Raises one of `NO_INPUT`, if it is not.
    """
    defaults = {"kernel": {}, "engine": "auto", "realizations": 1, "ranks_per_realization": "auto"}
    asks: dict[str, Any] = defaults | content
    nx, ny = (_whole(n) for n in asks["lattice"]["shape"])
    clock, engine = asks.get("clock"), asks["engine"]
    if clock is not None and "maxwell" in (clock.get("type"), *clock):
        engine = "spectral"
    shuffled = asks["kernel"].get("type") == "shuffled"
    engine = choose_engine(engine, (nx, ny), shuffled).engine
    asked = asks["ranks_per_realization"]
    asked = asked if asked == "auto" else _whole(asked)
    return Work((nx, ny), engine, _whole(asks["realizations"]), asked, clock is not None)


def events_in(content: dict[str, Any]) -> float:
    """Return how many events a realization has at the most; infinity where that is not known.

    A slip is c0 on average, or more, and slips add up to the strain. Raises as `work_in`.
    """
    loading, slip = content.get("loading"), content.get("slip")
    if not (isinstance(loading, dict) and isinstance(slip, dict)) or "clock" in content:
        return inf
    if loading.keys() != {"target"} or not slip.get("c0", 0) > 0:
        return inf
    nx, ny = (_whole(n) for n in content["lattice"]["shape"])
    return float(nx * ny * abs(loading["target"]) / slip["c0"])


def _whole(number: Any) -> int:
    if isinstance(number, int) and number > 0:
        return number
    raise ValueError(number)


def why(work: Work, ranks: int, idle: int | None, short: bool) -> str:
    """Return in words why so many ranks are taken; ``idle`` is None if nobody looked."""
    allowed = len(allowed_processors())
    of_ranks = f"{ranks} rank{'s' if ranks > 1 else ''}"
    if idle is not None:
        of_ranks += f"; {idle} of {allowed} processors are idle"
    if work.realizations > 1:
        return f"{of_ranks}, for {work.realizations} realizations. -n takes another"
    if short:
        said = "so short a run is over before others have started"
        return f"{of_ranks}: {said}. -n takes another"
    numbers = sorted({1, ranks, idle or allowed})
    costs = {n: event_us(work.shape, work.engine, n, clocked=work.clocked) for n in numbers}
    told = ", ".join(f"{sum(us.values()):.2g} µs on {n}" for n, us in costs.items())
    return f"{of_ranks}. Estimated for an event, by number of ranks: {told}. -n takes another"


def choose(arguments: list[str], processors: IdleProcessors) -> int:
    """Return the number of ranks, and say on standard error why."""
    idle, allowed = None, len(allowed_processors())
    try:
        options = run_parser().parse_args(arguments)
        if options.input is None:
            raise UsageError("no input")
        _, document = read_document(options.input, options.set)
        work, events = work_in(document.content), events_in(document.content)
        ranks = fastest_ranks(work, allowed, events)
        if ranks > 1:
            idle = processors.count()
            ranks = fastest_ranks(work, idle, events)
    except (InputError, UsageError, *NO_INPUT):
        return 1  # the run itself says what is wrong
    if not options.quiet:
        short = ranks < fastest_ranks(work, idle or allowed)
        write(f"tools/run: {why(work, ranks, idle, short)}\n", sys.stderr)
    return ranks

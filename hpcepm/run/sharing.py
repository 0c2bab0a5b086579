"""How many ranks to take, which of them share a realization, and which could only hinder."""

from math import ceil, inf
from typing import TYPE_CHECKING, Final, NamedTuple

from hpcepm.model.cost import Shape, event_us
from hpcepm.parallel.strips import strip_height

if TYPE_CHECKING:
    from hpcepm.input.schema import Input

SMALL: Final = 256**2
"""Sites up to which the ranks of an ensemble take a realization each."""


def groups_of_ranks(
    crowded: list[bool], asked: int | str, realizations: int, shape: Shape
) -> tuple[list[list[int]], int]:
    """Return the ranks of each group, and how many of the groups, the first ones, shall work.

    A single realization is shared by all ranks that have rows and a processor. Small ones have a
    rank each; others so many ranks that all groups have work. A rank with nothing to do is a group.

    Parameters
    ----------
    crowded
        For each rank, whether it would have to share its processor with others.
    asked
        How many ranks are to share a realization; all of them if it is the only one. Or "auto".
    realizations, shape
        How many there are, and (nx, ny).
    """
    everyone = list(range(len(crowded)))
    if isinstance(asked, int):
        per_group = len(crowded) if realizations == 1 else min(asked, len(crowded))
        groups = [everyone[k : k + per_group] for k in range(0, len(crowded), per_group)]
        return groups, len(groups)
    free = [rank for rank in everyone if not crowded[rank]]
    if realizations == 1:
        per_group = min(len(free), ceil(shape[0] / strip_height(shape)))
        working = [free[:per_group]]
    else:
        per_group = 1 if shape[0] * shape[1] <= SMALL else max(1, len(free) // realizations)
        working = [free[k : k + per_group] for k in range(0, len(free), per_group)]
    others = [[rank] for rank in everyone if not any(rank in group for group in working)]
    return working + others, len(working)


NEAR: Final = 1.05
"""How many times as long as on the fastest number of ranks fewer may take, and are taken."""

SECONDS_TO_SHARE: Final = 0.3
"""What a launcher takes, and ranks that load anew what the process has that starts them."""

WORTH_A_WORD: Final = 1.2
"""How many times as long as on fewer ranks a run must take to be warned of."""


def warnings(
    sharing: int,
    idle: int,
    crowded: bool,
    shape: Shape,
    engine: str,
    nodes: int,
    clocked: bool = False,
) -> list[str]:
    """Return what a user should know of the number of ranks.

    Parameters
    ----------
    sharing
        How many ranks share a realization.
    idle, crowded
        How many others have nothing to do, and whether that is for want of processors.
    shape, engine, nodes, clocked
        The lattice, its engine, on how many nodes the ranks are, and whether there is a clock.
    """
    said = []
    if idle > 0:
        why = (
            "there are more ranks than processors"
            if crowded
            else f"{shape[0]} rows make only {ceil(shape[0] / strip_height(shape))} strips"
        )
        have = "rank has" if idle == 1 else "ranks have"
        said.append(
            f"{idle} {have} nothing to do: {why} "
            "(ranks_per_realization in the input gives them work, and takes longer)"
        )
    costs = {
        n: sum(event_us(shape, engine, n, clocked=clocked).values()) for n in range(1, sharing + 1)
    }
    best = min(costs, key=lambda n: costs[n])
    if nodes == 1 and costs[sharing] > WORTH_A_WORD * costs[best]:
        said.append(
            f"{sharing} ranks are too many for {shape[0]} × {shape[1]} sites: an event takes about "
            f"{costs[sharing]:.2g} µs, and {costs[best]:.2g} µs on {best}"
        )
    return said


class Work(NamedTuple):
    """What an input asks for, as far as the number of ranks depends on it."""

    shape: Shape
    engine: str
    realizations: int = 1
    asked: int | str = "auto"
    """The input's ``ranks_per_realization``."""

    clocked: bool = False
    """Whether there is a clock."""


def work_of(settings: "Input") -> Work:
    """Return what an input asks for."""
    (nx, ny), asked = settings.lattice.shape, settings.ranks_per_realization
    clocked = settings.clock is not None
    return Work((nx, ny), settings.choice.engine, settings.realizations, asked, clocked)


def fastest_ranks(work: Work, cores: int, events: float = inf) -> int:
    """Return on how many ranks a run ends first, by the model of `hpcepm.model.cost`.

    Parameters
    ----------
    work
        What is asked for.
    cores
        How many idle cores one machine has.
    events
        How many a realization has, about: of few, several ranks are not worth their start.
    """
    shape, engine, realizations, asked, clocked = work

    def duration(ranks: int) -> float:
        groups, n_working = groups_of_ranks([False] * ranks, asked, realizations, shape)
        turns = max(1.0, realizations / n_working)
        sizes = {len(group) for group in groups[:n_working]}
        costs = (event_us(shape, engine, size, clocked=clocked) for size in sizes)
        cost = turns * max(sum(parts.values()) for parts in costs)
        return cost if events == inf else events * cost * 1e-6 + SECONDS_TO_SHARE * (ranks > 1)

    durations = {ranks: duration(ranks) for ranks in range(1, cores + 1)}
    near = NEAR * min(durations.values())
    return next(ranks for ranks, lasts in durations.items() if lasts <= near)

"""How many ranks to take, and how many of them share a realization."""

from typing import Final

from hpcepm.model.cost import Shape, event_us

SMALL: Final = 256**2
"""Sites up to which the ranks of an ensemble take a realization each."""


def ranks_of_a_group(asked: int | str, ranks: int, realizations: int, n_sites: int) -> int:
    """Return how many ranks share a realization.

    All for a single one; one for small lattices; else so many that all groups have work.
    """
    if realizations == 1:
        return ranks
    if isinstance(asked, int):
        return min(asked, ranks)
    return 1 if n_sites <= SMALL else max(1, ranks // realizations)


def fastest_ranks(
    shape: Shape, engine: str, cores: int, realizations: int = 1, asked: int | str = "auto"
) -> int:
    """Return on how many ranks a run ends first, by the model of `hpcepm.model.cost`.

    Parameters
    ----------
    shape, engine
        The lattice (nx, ny), and what `hpcepm.model.engines.choose_engine` says.
    cores
        How many idle cores one machine has.
    realizations, asked
        How many there are, and the input's ``ranks_per_realization``.
    """

    def duration(ranks: int) -> float:
        per_group = ranks_of_a_group(asked, ranks, realizations, shape[0] * shape[1])
        turns = max(1.0, realizations / (ranks // per_group))
        return turns * sum(event_us(shape, engine, per_group).values())

    return min(range(1, cores + 1), key=duration)

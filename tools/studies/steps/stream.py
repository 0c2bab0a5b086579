"""What the steps of a run had to do, and in which rows: enough to say what any rank had to do."""

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.cost import MOST_PENDING, events_between_convolutions, events_per_step

Rows = NDArray[np.uint16]


class Sweep(NamedTuple):
    """A search for unstable sites, or for the weakest."""

    opened: Rows  # first row of each block that was looked into
    summed: Rows  # row of each site whose pending events were summed
    look_ups: NDArray[np.uint16]  # and how many these were


class Step(NamedTuple):
    """A synchronous step. Each sweep is followed by an exchange, that of its last by another."""

    sweeps: list[Sweep]
    begins: bool  # an avalanche: the last sweep sought the weakest site
    events: Rows  # row of each event


class Stream(NamedTuple):
    """The steps of a run on a lattice."""

    shape: tuple[int, int]
    steps: list[Step]

    @property
    def n_events(self) -> int:
        """How many events there are."""
        return sum(step.events.size for step in self.steps)

    @property
    def events_between_convolutions(self) -> float:
        """How many events are deferred before a convolution, by the rule of the engine."""
        return events_between_convolutions(self.shape, self.n_events / len(self.steps))

    def save(self, path: Path) -> None:
        """Write a compressed file."""
        sweeps = [sweep for step in self.steps for sweep in step.sweeps]
        np.savez_compressed(
            path,
            shape=self.shape,
            sweeps_of=[len(step.sweeps) for step in self.steps],
            begins=[step.begins for step in self.steps],
            **_packed("events", [step.events for step in self.steps]),
            **_packed("opened", [sweep.opened for sweep in sweeps]),
            **_packed("summed", [sweep.summed for sweep in sweeps]),
            look_ups=np.concatenate([sweep.look_ups for sweep in sweeps]),
        )

    @classmethod
    def load(cls, path: Path) -> "Stream":
        """Read what `save` wrote."""
        with np.load(path) as file:
            opened, summed, events = (_unpacked(file, k) for k in ("opened", "summed", "events"))
            look_ups = np.split(file["look_ups"], np.cumsum(file["n_summed"])[:-1])
            sweeps = iter(map(Sweep, opened, summed, look_ups))
            steps = [
                Step([next(sweeps) for _ in range(n)], bool(begins), its)
                for n, begins, its in zip(file["sweeps_of"], file["begins"], events, strict=True)
            ]
            nx, ny = file["shape"].tolist()
        return cls((nx, ny), steps)


def enlarged(stream: Stream, factor: int) -> Stream:
    """Return what steps on a lattice ``factor`` times as long may have to do.

    Rows lie ``factor`` times as far apart. Steps are joined, so that as many sites yield together
    as the cost model says. What is summed up grows like the events between two convolutions.
    """
    shape = (stream.shape[0] * factor, stream.shape[1] * factor)
    joined = events_per_step(shape[0] * shape[1]) / events_per_step(
        stream.shape[0] * stream.shape[1]
    )
    per_step = stream.n_events / len(stream.steps) * joined
    longer = events_between_convolutions(shape, per_step) / stream.events_between_convolutions
    bounds = np.arange(0, len(stream.steps) + 1e-9, joined).astype(int)
    return Stream(shape, [_joined(stream.steps[a:b], factor, longer) for a, b in pairwise(bounds)])


def _joined(steps: list[Step], factor: int, longer: float) -> Step:
    nothing = np.zeros(0, np.uint16)
    together = zip_longest(*(step.sweeps for step in steps), fillvalue=Sweep(*[nothing] * 3))
    sweeps = []
    for parts in together:
        opened, summed, look_ups = map(np.concatenate, zip(*parts, strict=True))
        look_ups = np.minimum(look_ups * longer, MOST_PENDING).astype(np.uint16)
        sweeps.append(Sweep(opened * np.uint16(factor), summed * np.uint16(factor), look_ups))
    events = np.concatenate([step.events for step in steps]) * np.uint16(factor)
    return Step(sweeps, steps[0].begins, np.sort(events))


def _packed(name: str, arrays: list[Any]) -> dict[str, Any]:
    return {name: np.concatenate(arrays), f"n_{name}": [array.size for array in arrays]}


def _unpacked(file: Any, name: str) -> Iterator[Rows]:
    return iter(np.split(file[name], np.cumsum(file[f"n_{name}"])[:-1]))

"""What recorded steps take on any number of ranks, by the coefficients of the cost model.

Ranks have the rows that `hpcepm.parallel.rows` gives them. In a step each does its part of the
window, the bounds and the search, and looks into its blocks. The ranks of a node then sum up
together what is on the node's lists. Each draws for its own sites, and all wait for the last.
"""

from math import log2
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model import cost
from hpcepm.parallel.strips import strip_height

from .stream import Step, Stream, Sweep

Times = NDArray[np.float64]

OWN: Final = ("lists", "window", "bounds", "search", "opened")
"""What a rank does before the sums."""

PARTS: Final = (*OWN, "sums", "draws", "in nodes", "between nodes", "convolution")


class Machine(NamedTuple):
    """Ranks, and what joins them."""

    ranks: int
    nodes: int = 1
    in_turn: bool = False  # rank r is on node r mod nodes; else ranks in a row share a node
    network_us: float = cost.NETWORK_US  # of each doubling of nodes; of a message between two
    helps: Literal["", "collectively", "directly"] = ""  # how nodes sum up for each other
    chunk: int = cost.CHUNK  # look-ups that a rank takes at once

    def by_node(self, of_rank: NDArray[Any]) -> NDArray[Any]:
        """Return values of ranks, shape (ranks,), as (nodes, ranks of a node)."""
        if self.in_turn:
            return of_rank.reshape(-1, self.nodes).T
        return of_rank.reshape(self.nodes, -1)


class Replay:
    """Replays the steps of a stream on a machine.

    Attributes
    ----------
    us
        Time, by part: of the rank that all others wait for, in each exchange.
    fair_us
        The same if each rank had as much of everything.
    """

    def __init__(self, stream: Stream, machine: Machine) -> None:
        self.stream, self.machine = stream, machine
        self.us, self.fair_us = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
        self.block = strip_height(stream.shape)
        self.half_window = cost.lazy_sizes(stream.shape).half_window
        self.look_up_us = cost.look_up_ns(stream.shape) / 1000
        nx, ny = stream.shape
        self.blocks = self._of_ranks(np.arange(0, nx, self.block)) * -(-ny // self.block)
        self.own = np.zeros((len(OWN), machine.ranks))
        for step in stream.steps:
            self._step(step)
        convolution = cost.convolution_us(stream.shape, machine.ranks, machine.nodes)
        convolutions = stream.n_events / stream.events_between_convolutions
        self._take("convolution", convolution * convolutions, convolution * convolutions)

    def per_event(self) -> dict[str, float]:
        """Return µs an event, by part."""
        return {part: us / self.stream.n_events for part, us in self.us.items()}

    def fair(self) -> float:
        """Return µs an event if each rank had as much of everything."""
        return sum(self.fair_us.values()) / self.stream.n_events

    def _of_ranks(self, rows: NDArray[Any], weights: NDArray[Any] | None = None) -> Times:
        """Return how many of some rows each rank has, or the sum of their weights."""
        rank = rows // self.block % self.machine.ranks
        return np.bincount(rank, weights, self.machine.ranks).astype(float)

    def _step(self, step: Step) -> None:
        nothing = step.events[:0]
        for k, sweep in enumerate(step.sweeps):
            self._add("search", self.blocks * cost.SEARCH_NS / 1000)
            self._add("opened", self._of_ranks(sweep.opened) * cost.OPENED_US)
            found = k == len(step.sweeps) - 1 and not step.begins
            self._until_exchange(sweep, step.events if found else nothing)
        if step.begins:
            self._until_exchange(None, step.events)
        n, reach = step.events.size, np.arange(-self.half_window, self.half_window + 1)
        rows = (step.events[:, None] + reach).ravel() % self.stream.shape[0]
        height = 2 * self.half_window + 1
        row_us = (height + 1) * cost.WINDOW_NS / 1000 + cost.WINDOW_US / height
        self._add("lists", np.full(self.machine.ranks, cost.EVENT_US * n + cost.STEP_US))
        self._add("window", self._of_ranks(rows) * row_us)
        self._add("bounds", self.blocks * n * cost.BOUND_NS / 1000)

    def _add(self, part: str, us: Times) -> None:
        self.own[OWN.index(part)] += us

    def _until_exchange(self, sweep: Sweep | None, events: NDArray[Any]) -> None:
        """Sum up what a sweep found, draw for the events, and wait for the last rank."""
        machine = self.machine
        before, draws = self.own.sum(axis=0), self._of_ranks(events) * cost.DRAW_US
        summed = self._summed(sweep, before) if sweep else machine.by_node(before)
        end = summed + machine.by_node(draws)
        slowest_first = end + 1e-9 * machine.by_node(before)  # of those that end together
        node, rank = np.unravel_index(slowest_first.argmax(), end.shape)
        last = machine.by_node(np.arange(machine.ranks))[node, rank]
        work = sweep.look_ups.sum(dtype=float) * self.look_up_us / machine.ranks if sweep else 0.0
        for part, us in zip(OWN, self.own, strict=True):
            self._take(part, us[last], us.mean())
        self._take("sums", summed[node, rank] - before[last], work)
        self._take("draws", draws[last], draws.mean())
        within = cost.EXCHANGE_US * log2(machine.ranks / machine.nodes)
        between = machine.network_us * log2(machine.nodes)
        self._take("in nodes", within, within)
        self._take("between nodes", between, between)
        self.own[...] = 0.0

    def _take(self, part: str, us: float, fair: float) -> None:
        self.us[part] += float(us)
        self.fair_us[part] += float(fair)

    def _summed(self, sweep: Sweep, own: Times) -> Times:
        """Return when each rank has the sums of its sites, shape (nodes, ranks of a node)."""
        machine, before = self.machine, self.machine.by_node(own)
        work = machine.by_node(self._of_ranks(sweep.summed, sweep.look_ups)).sum(axis=1)
        if machine.helps == "collectively":
            met = before.max() + machine.network_us * log2(machine.nodes)
            back = met + self._together(work.mean()) + machine.network_us * log2(machine.nodes)
            return np.full_like(before, back)
        pool_us = cost.POOL_EXCHANGES * cost.EXCHANGE_US if before.shape[1] > 1 else 0.0
        ends = np.array([self._of_node(t, w) for t, w in zip(before, work, strict=True)]) + pool_us
        if machine.helps == "directly":
            ends = self._helped(before.max(axis=1), ends)
        return np.broadcast_to(ends[:, None], before.shape)

    def _of_node(self, before: Times, work: float) -> float:
        """Return when the ranks of a node, who come to it at some times, have done some work."""
        return float(max(before.max(), before.mean() + self._together(work)))

    def _together(self, look_ups: float) -> float:
        """Return how long the ranks of a node take for look-ups, of which each takes a chunk."""
        per_node, chunk = self.machine.ranks // self.machine.nodes, self.machine.chunk
        rounds = np.ceil(look_ups / chunk / per_node)
        return float(max(look_ups / per_node, min(rounds * chunk, look_ups))) * self.look_up_us

    def _helped(self, listed: Times, ends: Times) -> Times:
        """Return when nodes end if the last is helped by others, as well as it can be.

        It sends parts of its list at once, a message each; sums come back in another.
        """
        late = int(ends.argmax())
        others, wire = np.delete(ends, late), self.machine.network_us
        from_then = np.maximum(others, listed[late] + wire) + wire  # their help would come back
        for helpers in range(1, len(others) + 1):
            first = np.sort(from_then)[:helpers]
            meet = (ends[late] + first.sum()) / (helpers + 1)
            if meet < ends[late]:
                ends[late] = min(ends[late], max(meet, first[-1]))
        return ends

"""What an event costs: a model in operations, latency and bandwidth.

It says how many ranks are fastest, and what a large lattice will take (docs/performance.md). No
number of a run depends on it but `lazy_sizes`. It needs neither MPI nor the compiler.

Coefficients are of one core of the machine whose figures docs/performance.md has. The bandwidth of
memory, for which the ranks of a node compete, is not in it; what is assumed, not measured, says so.
"""

from math import ceil, exp, log2
from typing import Final, NamedTuple

import numpy as np

from hpcepm.parallel.strips import strip_height

Shape = tuple[int, int]

# Of all engines
DRAW_US: Final = 0.04  # slip and threshold of an event, by the rank that has the site
EVENT_US: Final = 0.03  # an event, on each rank: its place on lists, sums, the avalanche
STEP_US: Final = 0.06  # a step, on each rank
CONVOLUTION_NS: Final = {12: 3.8, 14: 4.7, 18: 4.5, 20: 5.8, 22: 7.4, 28: 10.0}
"""A site: a pair of transforms and all passes, by log₂ of the sites; the last is assumed."""
CONVOLUTION_US: Final = 10.0  # a convolution: what Python does

# Of direct
DIRECT_NS: Final = 0.125  # a site and event
DIRECT_ROW_NS: Final = 6.5  # a row and event

# Of lazy; counts are those of recorded steps (tools/studies/steps)
WINDOW_NS: Final = 0.19  # a site of the window
WINDOW_US: Final = 0.05  # a window, and the minima of its blocks
OPENED_US: Final = 0.077  # a block that is looked into
BLOCKS_OPENED: Final = 5.8  # an event
BOUND_NS: Final = 0.066  # a block and event
SEARCH_NS: Final = 0.058  # a block and sweep
SWEEPS: Final = 1.3  # a step: who is unstable, or weakest
LOOK_UPS: Final = 0.83  # an event, of all events between two convolutions
SITES_SUMMED: Final = 2.4  # an event: sites whose pending events are looked up
LOOK_UP_NS: Final = {17: 0.45, 19: 0.65, 21: 0.85, 23: 0.9, 25: 2.3, 27: 4.0, 29: 6.5}
"""By log₂ of the bytes of the table of G, which leaves the caches; the last three are assumed."""
CHUNK: Final = 1024  # look-ups that a rank takes at once
MOST_PENDING: Final = 65535  # events: those of `hpcepm.model.state`

# Of clocks; fitted to one rank and two, N = 64 to 1024 (docs/performance.md)
POINTS_US: Final = 2.2  # an event: points that are tried, sites that are looked at
POINTS_SHARED: Final = 0.8  # of it, what ranks share: each tries points that come too late
EARLIEST_NS: Final = 6.0  # a row and event: who is the earliest, and where its tables lie
CLOCK_EXCHANGES: Final = 4.0  # an event: its time, fraction, strength and slip

# Of several ranks
EXCHANGES: Final = 1.45  # a step: its events; the weakest site; that an avalanche has ended
EXCHANGE_US: Final = 0.23  # on two ranks of a node, and for each doubling of them
POOL_EXCHANGES: Final = 2.0  # a sweep: what it takes to see the lists of a node's other ranks
MEETINGS_US: Final = 20.0  # a convolution, on ranks of a node
NETWORK_US: Final = 1.5  # for each doubling of nodes; assumed
BYTES_PER_US: Final = 10_000.0  # a rank, in an all-to-all between nodes; assumed
MESSAGE_US: Final = 0.5  # of it, a rank that is sent to; assumed


class LazySizes(NamedTuple):
    """What the lazy engine does at once, and when it gives up and convolves; as measured."""

    half_window: int
    max_pending_cost: int
    max_events_per_step: int


def lazy_sizes(shape: Shape) -> LazySizes:
    """Return the sizes for a lattice. They are part of the bits of a run.

    A row of the window has 2R + 2 numbers, which should fill vector registers.
    """
    n = (shape[0] * shape[1]) ** 0.5
    half_window = 11 if n < 384 else 23 if n < 1536 else 31
    return LazySizes(half_window, int(63000 * (n / 256) ** 1.4), int(150 * (n / 256) ** 1.15))


def events_per_step(n_sites: int) -> float:
    """Return how many sites yield together in steady flow.

    Measured 2.6 at N = 64, 4.7 at 256, 6.6 at 512.
    """
    return 0.40 * n_sites**0.225


def event_us(
    shape: Shape, engine: str, ranks: int = 1, nodes: int = 1, clocked: bool = False
) -> dict[str, float]:
    """Return what an event takes in steady flow, by part, in µs.

    Parameters
    ----------
    shape
        (nx, ny).
    engine
        ``"direct"``, ``"lazy"`` or ``"spectral"``.
    ranks, nodes
        How many ranks in all, each with a core of its own, and on how many nodes.
    clocked
        Whether a clock says who yields: then each event is a step.
    """
    events = 1.0 if clocked else events_per_step(shape[0] * shape[1])
    exchanges = CLOCK_EXCHANGES if clocked else EXCHANGES
    parts = {
        "draws": DRAW_US * busiest(events, ranks) / events,
        "lists": EVENT_US + STEP_US / events,
        "exchange": exchanges * exchange_us(ranks, nodes) / events,
    }
    if clocked:
        own = 1 - POINTS_SHARED + POINTS_SHARED / ranks
        parts["points"] = POINTS_US * own + EARLIEST_NS * _rows(shape, ranks) / 1000
    if engine == "direct":
        rows = _rows(shape, ranks)
        return parts | {"direct": rows * (DIRECT_NS * shape[1] + DIRECT_ROW_NS) / 1000}
    if engine == "spectral":
        return parts | {"convolution": convolution_us(shape, ranks, nodes) / events}
    if engine == "lazy":
        return parts | _lazy_us(shape, ranks, nodes, events)
    raise ValueError(f"engine {engine!r}: what an event takes is not known")


def _lazy_us(shape: Shape, ranks: int, nodes: int, events: float) -> dict[str, float]:
    """Return what only the lazy engine does."""
    block, pending = strip_height(shape), events_between_convolutions(shape, events)
    blocks = ceil(_rows(shape, ranks) / block) * ceil(shape[1] / block)
    opened = busiest(BLOCKS_OPENED * events, ranks) / events
    return {
        "window": _window_us(shape, ranks, events),
        "opened": OPENED_US * opened,
        "bounds": blocks * BOUND_NS / 1000,
        "search": blocks * SEARCH_NS / 1000 * SWEEPS / events,
        "sums": _sums_us(shape, ranks, nodes, events),
        "convolution": convolution_us(shape, ranks, nodes) / pending,
    }


def _window_us(shape: Shape, ranks: int, events: float) -> float:
    """Return what the windows take, those on the rank with most of their rows."""
    strip, reach = strip_height(shape), 2 * lazy_sizes(shape).half_window
    height, width = min(reach + 1, shape[0]), min(reach + 2, shape[1])
    strips = (height - 1 + strip) / strip  # that a window lies on
    rows = _rows_of_window(height, strip, ranks)
    if ranks > strips:  # and an event is nothing to most of them
        rows = min(rows, busiest(strips * events, ranks) / events * height / strips)
    return rows * (width * WINDOW_NS / 1000 + WINDOW_US / height)


def _sums_us(shape: Shape, ranks: int, nodes: int, events: float) -> float:
    """Return what the sums take on the node that has most of them: no other node adds them up."""
    sweeps, summed = SWEEPS / events, SITES_SUMMED * events
    uneven = busiest(summed, nodes) * nodes / summed
    look_ups = LOOK_UPS * events_between_convolutions(shape, events)
    us = look_ups * look_up_ns(shape) / 1000 / ranks * uneven
    if ranks == nodes:
        return us
    last_chunk = min(look_ups / sweeps, CHUNK) / 2 * look_up_ns(shape) / 1000
    return us + sweeps * (last_chunk + POOL_EXCHANGES * EXCHANGE_US)


def exchange_us(ranks: int, nodes: int = 1) -> float:
    """Return what it takes until all ranks know what each had to say, in µs."""
    return EXCHANGE_US * log2(ranks / nodes) + NETWORK_US * log2(nodes)


def events_between_convolutions(shape: Shape, per_step: float | None = None) -> float:
    """Return how many events the lazy engine defers before it convolves.

    ``per_step`` is how many events a step has, if not those of steady flow.
    """
    events = events_per_step(shape[0] * shape[1]) if per_step is None else per_step
    return min(MOST_PENDING, (2 * events * lazy_sizes(shape).max_pending_cost) ** 0.5)


def look_up_ns(shape: Shape) -> float:
    """Return what the stress of one pending event at one site takes, in ns."""
    return _at(8 * (shape[0] // 2 + 1) * (shape[1] // 2 + 1), LOOK_UP_NS)


def convolution_us(shape: Shape, ranks: int = 1, nodes: int = 1) -> float:
    """Return what a convolution takes, in µs."""
    n_sites = shape[0] * shape[1]
    own = n_sites * _at(n_sites, CONVOLUTION_NS) / 1000 / ranks + CONVOLUTION_US
    if nodes == 1:
        return own + (MEETINGS_US if ranks > 1 else 0.0)
    return own + 2 * (8 * n_sites / ranks / BYTES_PER_US + ranks * MESSAGE_US)


def _at(size: int, measured: dict[int, float]) -> float:
    """Return what was measured at a size, by its log₂; between two, in proportion."""
    return float(np.interp(log2(size), list(measured), list(measured.values())))


def busiest(items: float, ranks: int) -> float:
    """Return how many of some items the rank with most of them has, on average.

    Their number is Poissonian with this mean, and each falls on a rank at random.
    """
    probability = exp(-items / ranks)
    total, below, k = 0.0, 0.0, 0
    while below < 1.0 - 1e-9 and k < 20 + 3 * items:
        below = min(1.0, below + probability)
        total += 1.0 - below**ranks
        k += 1
        probability *= items / ranks / k
    return total


def _rows(shape: Shape, ranks: int) -> int:
    """Return how many rows the rank with most rows has."""
    strip = strip_height(shape)
    return min(strip * ceil(ceil(shape[0] / strip) / ranks), shape[0])


def _rows_of_window(height: int, strip: int, ranks: int) -> float:
    """Return how many rows of a window its busiest rank has, on average over places."""
    most = [
        np.bincount(np.arange(first, first + height) // strip % ranks).max()
        for first in range(strip)
    ]
    return float(np.mean(most))

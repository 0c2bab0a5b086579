"""What a large lattice will cost on many ranks, by the model of docs/performance.md.

Prints its table.

Coefficients are of one core of the machine of the README's figure. Those that are not measured
there (a network) say so.
"""

from math import log, log2, sqrt

STRIP = {
    256: 4,
    512: 8,
    1024: 8,
    2048: 16,
    4096: 16,
    8192: 16,
    16384: 16,
}  # rows, and size of blocks
HALF_WINDOW = {256: 11, 512: 23, 1024: 23, 2048: 31, 4096: 31, 8192: 31, 16384: 31}
LOOK_UP_NS = {
    256: 1.1,
    512: 1.2,
    1024: 1.6,
    2048: 3.5,
    4096: 9,
    8192: 15,
    16384: 25,
}  # the table leaves the caches
WINDOW_NS, BOUND_NS, SEARCH_NS = 0.5, 0.13, 0.2  # a site; a block and event; a block and step
DRAW_NS, OPENED_NS = 200.0, 500.0  # an event: draws; blocks that are looked into
LOOK_UPS = 0.75  # of all pending events, an event
FFT_NS, PASSES_NS = (
    0.5,
    2.0,
)  # a site: of a pair of transforms and log₂ of the sites; of all else that a convolution does
LATENCY_US, BYTES_PER_US = (
    1.5,
    10_000.0,
)  # of a network, assumed: of each doubling of ranks; of all-to-all, a rank
RANKS_OF_A_MACHINE = 64  # which add up each other's sums; those of other machines do not
SITES_SUMMED = 2.0  # an event
COLLECTIVES = 1.3  # a step: its events, and the weakest site where an avalanche begins
EVENTS_PER_SITE = 25.0  # and unit of strain, in flow: 1/(mean slip)


def event_us(n: int, ranks: int, network: bool = True) -> dict[str, float]:
    """Return what an event takes on N × N sites in steady flow, by part, in µs."""
    b, r = STRIP[n], HALF_WINDOW[n]
    events = 0.40 * n**0.45  # a step
    pending = min(65535.0, sqrt(2 * events * 63000 * (n / 256) ** 1.4))
    blocks = (n / b) ** 2
    sharing = min(ranks, 1 + 2 * r // b)
    machines = -(-ranks // RANKS_OF_A_MACHINE)
    busiest = 1 + sqrt(
        2 * log(machines) * machines / (SITES_SUMMED * events)
    )  # as of sites that fall on machines at random
    latency = LATENCY_US * log2(ranks) if network else 0.5
    exchange = 0.0 if ranks == 1 else COLLECTIVES * latency / events
    transposes = (
        0.0 if ranks == 1 or not network else 2 * (8 * n * n / ranks / BYTES_PER_US + ranks * 0.5)
    )
    convolution = n * n * (FFT_NS * log2(n * n) + PASSES_NS) / 1000 / ranks + transposes
    return {
        "draw": DRAW_NS / 1000,
        "window": (2 * r + 1) * (2 * r + 2) * WINDOW_NS / 1000 / sharing,
        "opened": OPENED_NS / 1000 / sharing,
        "bounds": blocks * (BOUND_NS + 1.5 * SEARCH_NS / events) / 1000 / ranks,
        "sums": LOOK_UPS * pending * LOOK_UP_NS[n] / 1000 / ranks * busiest,
        "exchange": exchange,
        "convolution": convolution / pending,
    }


def main() -> None:
    """Print the model beside what was measured, and predictions."""
    print(f"{'N':>6} {'ranks':>6}  {'µs an event':>11}  {'days to ε = 0.3':>15}   parts, µs")
    for n, ranks_of in {
        256: (1, 2),
        512: (1, 2),
        1024: (1, 2),
        2048: (1, 2),
        4096: (1, 2, 64, 256),
        8192: (64, 256, 1024),
        16384: (64, 256, 1024),
    }.items():
        for ranks in ranks_of:
            parts = event_us(n, ranks, network=ranks > 2)
            total = sum(parts.values())
            days = total * 1e-6 * EVENTS_PER_SITE * 0.3 * n * n / 86400
            told = ", ".join(f"{name} {us:.2f}" for name, us in parts.items())
            print(f"{n:6d} {ranks:6d}  {total:11.2f}  {days:15.3f}   {told}")


if __name__ == "__main__":
    main()

"""What a large lattice will cost on many ranks, by `hpcepm.model.cost`.

Prints the table of predictions of docs/performance.md; before it, of a file of tools/bench, what
was measured beside the model.

``python -m tools.predict [JSON of tools/bench]``
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from hpcepm.model.cost import Shape, event_us
from tools.studies.harness import table

RANKS_OF_A_NODE: Final = 64
EVENTS_PER_SITE: Final = 25.0  # and unit of strain, in flow: 1/(mean slip)
TARGET: Final = 0.3
PREDICTED: Final = {
    2048: (64, 256),
    4096: (64, 256, 1024),
    8192: (64, 256, 1024),
    16384: (64, 256, 1024),
}


def predictions() -> str:
    """Return what large lattices take in steady flow, by part."""
    rows = []
    for n, ranks_of in PREDICTED.items():
        for ranks in ranks_of:
            parts = event_us((n, n), "lazy", ranks, -(-ranks // RANKS_OF_A_NODE))
            hours = sum(parts.values()) * 1e-6 * EVENTS_PER_SITE * TARGET * n * n / 3600
            each = (f"{us:.2f}" for us in parts.values())
            rows.append([n, ranks, _told(sum(parts.values())), _told(hours), *each])
    parts_of = list(event_us((2048, 2048), "lazy"))
    return table(["N", "ranks", "µs an event", f"hours to ε = {TARGET}", *parts_of], rows)


def comparison(measured: list[dict[str, Any]]) -> str:
    """Return the model beside rows of ``tools/bench``."""
    rows = []
    for row in measured:
        shape: Shape = (row["shape"][0], row["shape"][1])
        for engine in ("direct", "lazy"):
            if (us := row.get(f"{engine}_us_per_event")) and us < 100:
                parts = event_us(shape, engine, row["ranks"])
                model = sum(parts.values())
                told = [row["lattice"], engine, row["ranks"], _told(us), _told(model)]
                rows.append([*told, f"{model / us:.2f}"])
    return table(["N", "engine", "ranks", "measured, µs an event", "model", "ratio"], rows)


def _told(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.predict", description=__doc__)
    parser.add_argument("json", nargs="?", type=Path, help="what tools/bench wrote")
    measured = parser.parse_args().json
    if measured:
        print(comparison(json.loads(measured.read_text())["results"]))
    print(predictions())


if __name__ == "__main__":
    main()

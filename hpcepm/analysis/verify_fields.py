"""Whether maps agree with the records at the same strains: a part of ``hpcepm verify``."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import FIELDS
from hpcepm.schedule import save_points_of

from .results import Results

CLOSE: Final = 1e-9
"""How well sums must agree that were made in another order, relative to their terms."""

AT_ONCE: Final = 2**20
"""So many numbers of a dataset are read at a time, or one map if it has more."""

MEANS: Final = {"sigma": "stress", "epsilon_p": "plastic_strain", "sigma_c": "threshold_mean"}
"""Which observable is the mean of a field."""


def fields_against_records(run: Results) -> Iterator[str]:
    """Check each snapshot against the record at the same strain."""
    if run.counted:
        yield from _counted_fields(run)
        return
    fields, strain = run.file["fields"], run.strain
    at_once = max(1, AT_ONCE // int(np.prod(run.shape)))
    points = save_points_of(run.settings)
    taken = zip(points, accumulate(point.record for point in points), strict=True)
    recorded = [n - 1 if point.record else -1 for point, n in taken if point.snapshot]
    for snapshot in range(len(fields["strain"])):
        record = np.array([k for k in recorded[snapshot : snapshot + 1] if 0 <= k < strain.size])
        for first in range(0, run.realizations, at_once):
            some = slice(first, first + at_once)
            maps = {name: fields[name][some, snapshot] for name in FIELDS if name in fields}
            for problem in _of_maps(run, maps, some, record):
                yield f"fields: snapshot {snapshot}, from realization {first} on: {problem}"


def _counted_fields(run: Results) -> Iterator[str]:
    """Check each snapshot against the record of the same realization and strain, if there is one.

    Inside an avalanche sites may be beyond their thresholds.
    """
    fields = run.file["fields"]
    quenched = run.settings["yielding"]["landscape"] == "quenched"  # where all may come back
    for k in range(run.realizations):
        for snapshot in range(int(fields["snapshots"][k])):
            maps = {n: fields[n][k : k + 1, snapshot] for n in FIELDS if n in fields}
            same = run.strains[k] == fields["strain"][k, snapshot]
            if "epsilon_p" in maps:  # it tells the steps of one avalanche from each other
                plastic = run.observable("plastic_strain")[k]
                mean, close = maps["epsilon_p"].mean(dtype="f8"), rounding(maps["epsilon_p"])
                same &= np.isclose(plastic, mean, rtol=1e-12, atol=1e-12 + close)
            if "n_events" in maps:  # and it tells the periods of a limit cycle
                counted = same & (run.observable("events")[k] == maps["n_events"].sum())
                same = counted if counted.any() or quenched else same
            record = np.flatnonzero(same & ("epsilon_p" in maps))[:1]
            for problem in _of_maps(run, maps, slice(k, k + 1), record):
                yield f"fields: snapshot {snapshot} of realization {k}: {problem}"


def _of_maps(
    run: Results, maps: dict[str, NDArray[Any]], some: slice, record: NDArray[np.int64]
) -> Iterator[str]:
    """Check the maps of some realizations, each (realization, nx, ny)."""
    bad = [name for name, values in maps.items() if not np.isfinite(values).all()]
    if bad:
        yield f"has NaN or infinity in {', '.join(bad)}"
        return
    if "sigma" in maps and not run.counted:
        sigma = maps["sigma"]
        rounded = CLOSE * np.abs(sigma).max()
        if "sigma_c" in maps and (sigma > maps["sigma_c"] + rounded).any():
            yield "has sites above their threshold"
        if "sigma_c_backward" in maps and (-sigma > maps["sigma_c_backward"] + rounded).any():
            yield "has sites beyond their threshold backward"
    for name, values in maps.items() if record.size else ():
        if name not in (*MEANS, "n_events"):
            continue
        if name == "n_events":
            found, wanted, close = values.sum(axis=(1, 2)), "events", 0.0
        else:
            found, wanted, close = values.mean(axis=(1, 2), dtype="f8"), MEANS[name], 1e-7
            close += rounding(values)
        expected = run.file["observables"][wanted][some, record[0]]
        if (np.abs(found - expected) > close * np.maximum(1, np.abs(expected))).any():
            yield f"{name} does not come to the {wanted} of record {record[0]}"


def rounding(values: NDArray[Any]) -> float:
    """Return by how much the mean of a map may be off because of the bytes of its numbers."""
    if values.dtype != np.float32:
        return 0.0
    return float(np.finfo(np.float32).eps * np.abs(values).max())

"""The maps of a page: 8 bits a site, compressed, and of large lattices the means of blocks."""

import base64
import zlib
from collections.abc import MutableMapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.panels.maps import CUT_OFF
from hpcepm.analysis.protocol import strains_of_maps
from hpcepm.analysis.results import Results
from hpcepm.analysis.snapshots import records_of_maps
from hpcepm.layout import FIELDS
from hpcepm.reading import attribute

from .plain import number, numbers

BYTES: Final = 4 * 2**20
"""Of all maps together, before they are compressed."""

MOST_SNAPSHOTS: Final = 120

AROUND: Final = {"sigma": "mean", "epsilon_p": "zero"}
"""Fields whose colours have a middle: the macroscopic stress; and 0, if some are negative."""

SPREAD: Final = ("epsilon_p", "n_events")
"""Fields whose colours and bits follow the root of a value, if none is negative: a shear band has
most of the strain, and the rest is to be seen too."""

MOST_REALIZATIONS: Final = 20

Cache = MutableMapping[tuple[str, str, int, int, int], dict[str, Any]]
"""Maps that were made already, by run, field, realization, snapshot and size of blocks."""


def maps(run: Results, cache: Cache) -> dict[str, Any] | None:
    """Return the maps of the first realization, and of as many as fit; None if there are none."""
    group = run.file.get("fields", {})
    names = [name for name in FIELDS if name in group]
    there = group["realization"].size if group else 0
    some = [k for k in range(min(there, MOST_REALIZATIONS)) if strains_of_maps(run, k).size > 0]
    if not names or not some:
        return None
    block = _block(run.shape, len(names) * len(_snapshots(run, some[0])))
    width, height = (-(-n // block) for n in run.shape)
    series, room = list[dict[str, Any]](), BYTES
    same = [] if run.counted else records_of_maps(run, some[0], _snapshots(run, some[0]))
    for k in some:
        room -= len(names) * len(_snapshots(run, k)) * width * height
        if series and room < 0:
            break
        records = same or records_of_maps(run, k, _snapshots(run, k))
        series.append(_of_realization(run, k, names, block, cache) | {"records": records})
    along = ("t", "time") if run.has_clock else ("ε", "strain")
    return {
        "along": dict(zip(("symbol", "label"), along, strict=True)),
        "shape": run.shape,
        "size": [width, height],
        "block": block,
        "fields": {name: {"label": FIELDS[name][1], "units": FIELDS[name][0]} for name in names},
        "series": series,
        "notes": _notes(run, block, series, some[0]),
    }


def _snapshots(run: Results, realization: int) -> list[int]:
    """Return which snapshots of a realization are shown."""
    there = strains_of_maps(run, realization).size
    shown = np.linspace(0, there - 1, min(there, MOST_SNAPSHOTS)).round()
    return [int(k) for k in np.unique(shown)]


def _of_realization(
    run: Results, realization: int, names: Sequence[str], block: int, cache: Cache
) -> dict[str, Any]:
    """Return the maps of a realization, by field, and where they were taken."""
    group, identity = run.file["fields"], attribute(run.file, "run", str)
    strain, snapshots = strains_of_maps(run, realization), _snapshots(run, realization)
    at = group["time"][realization][: strain.size] if run.has_clock else strain
    images: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for name in names:
        for k in snapshots:
            if (key := (identity, name, realization, k, block)) not in cache:
                cache[key] = _encoded(name, group[name][realization, k], block)
            images[name].append(cache[key])
    return {
        "realization": int(group["realization"][realization]),
        "at": numbers(at[snapshots]),
        "maps": images,
    }


def _block(shape: tuple[int, int], n: int) -> int:
    """Return the side of the blocks whose means so many maps are made of."""
    nx, ny = shape
    block = 1
    while n * -(-nx // block) * -(-ny // block) > BYTES and block < max(shape):
        block += 1
    return block


def means_of_blocks(field: NDArray[Any], block: int) -> NDArray[np.float64]:
    """Return the means of blocks of a field; those at the upper ends may be smaller."""
    starts = [np.arange(0, n, block) for n in field.shape]
    sizes = [np.diff([*start, n]) for start, n in zip(starts, field.shape, strict=True)]
    sums = np.add.reduceat(field.astype(np.float64), starts[0], axis=0)
    sums = np.add.reduceat(sums, starts[1], axis=1)
    return np.asarray(sums / np.outer(*sizes))


def _encoded(name: str, field: NDArray[Any], block: int) -> dict[str, Any]:
    """Return a map as the page reads it: rows from the top, x to the right."""
    values = means_of_blocks(field, block)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    power = 2 if name in SPREAD and low >= 0 else 1
    part = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    scaled = 255 * np.nan_to_num(part).clip(0, 1) ** (1 / power)
    pixels = scaled.round().astype(np.uint8).T[::-1]
    begin, end = np.percentile(finite, [CUT_OFF, 100 - CUT_OFF]) if finite.size else (0, 0)
    middle = {"mean": float(field.mean()), "zero": 0.0 if low < 0 else None}
    return {
        "low": number(low),
        "high": number(high),
        "from": number(float(begin)),
        "to": number(float(end)),
        "power": power,
        "middle": middle[AROUND[name]] if name in AROUND else None,
        "pixels": base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode(),
    }


def _notes(run: Results, block: int, series: Sequence[dict[str, Any]], first: int) -> list[str]:
    """Say what of the fields is not shown as it is."""
    notes = ["Values of maps are kept in 8 bits, and profiles are made of these."]
    if len(series) < run.realizations:
        some = f"{len(series)} of {run.realizations} realizations"
        most = f"at most {MOST_REALIZATIONS}, and {BYTES / 2**20:.3g} MiB before compression"
        notes.append(f"Maps are of the first {some}: {most}.")
    if block > 1:
        notes.append(f"A pixel is the mean of {block} × {block} sites: it keeps this file small.")
    shown, there = len(series[0]["at"]), strains_of_maps(run, first).size
    if shown < there:
        notes.append(f"{shown} of {there} snapshots.")
    return notes

"""What differs between the inputs of runs, and what they are called by it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hpcepm.text import shorten

from .places import is_packed
from .results import Results

NO_PHYSICS: Final = ("output", "checkpoint", "stall", "ranks_per_realization", "engine")
"""Sections of an input that change no number of a record."""

MOST_NAMED: Final = 3
"""Runs that differ in more keys are called by their directories."""

LONGEST: Final = 40


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return an input with the paths of its keys as keys: ``slip.c0``, ``loading.0.hold``."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            found |= flat({f"{key}.{k}": one for k, one in enumerate(value)}, prefix)
        elif isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differences(runs: Sequence[Results]) -> dict[str, list[Any]]:
    """Return the keys whose values differ between inputs, and their values, run by run.

    A key that an input does not have is None. Keys of the model come first.
    """
    inputs = [flat(run.settings) for run in runs]
    keys = dict.fromkeys(key for one in inputs for key in one)
    found = {key: [one.get(key) for one in inputs] for key in keys if key != "output.directory"}
    differ = {key: values for key, values in found.items() if any(v != values[0] for v in values)}
    return dict(sorted(differ.items(), key=lambda one: not is_physics(one[0])))


def is_physics(key: str) -> bool:
    """Whether a key can change a number of a record."""
    return key.partition(".")[0] not in NO_PHYSICS


def worded(value: Any) -> str:
    """Return a value of an input as a person writes it."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float | str | list):
        return shorten(json.dumps(value), LONGEST)
    if isinstance(value, list) and all(type(one) is int for one in value):
        return " × ".join(map(str, value))
    if isinstance(value, list):
        return shorten(json.dumps(value).replace('"', ""), LONGEST)
    return shorten(f"{value:g}" if isinstance(value, float) else str(value), LONGEST)


def labels(runs: Sequence[Results]) -> list[str]:
    """Return what each of several runs is called: by what differs, or by its directory."""
    differ = {k: v for k, v in differences(runs).items() if is_physics(k)}
    if not 0 < len(differ) <= MOST_NAMED:
        return directories(runs)
    named = [", ".join(f"{k} {worded(v[n])}" for k, v in differ.items()) for n in range(len(runs))]
    if max(map(len, named)) > 2 * LONGEST:
        return directories(runs)
    where = directories(runs)
    return [f"{a} ({b})" if named.count(a) > 1 else a for a, b in zip(named, where, strict=True)]


def place_of(run: Results) -> Path:
    """Return the directory of a run, or the path of a packed one without its ending."""
    path = Path(run.file.filename).absolute()
    return path.with_suffix("") if is_packed(path) else path.parent


def directories(runs: Sequence[Results]) -> list[str]:
    """Return the names of `place_of` runs, with as much of their paths as tells them apart."""
    paths = [place_of(run) for run in runs]
    if len(set(paths)) < len(paths):  # a run, and the same one packed beside it
        files = [Path(run.file.filename).absolute() for run in runs]
        paths = [file if is_packed(file) else file.parent for file in files]
    for depth in range(1, max(len(path.parts) for path in paths)):
        found = [str(Path(*path.parts[-depth:])) for path in paths]
        if len(set(found)) == len(set(paths)):
            return found
    return [str(path) for path in paths]


def order_of(runs: Sequence[Results]) -> list[float] | None:
    """Return the number by which runs have an order; None if not exactly one differs.

    Seeds have none.
    """
    differ = [v for k, v in differences(runs).items() if is_physics(k) and k != "seed"]
    if len(differ) != 1 or any(type(value) not in (int, float) for value in differ[0]):
        return None
    return [float(value) for value in differ[0]]


def glass_of(settings: Mapping[str, Any]) -> str:
    """Return in words which glass it is."""
    initial, renewal = (
        name if isinstance(name := settings.get("thresholds", {}).get(key), str) else _kind(name)
        for key in ("initial", "renewal")
    )
    return f"{initial} glass" if initial == renewal else f"{initial} glass, renewed as {renewal}"


def _kind(thresholds: Any) -> str:
    """Return the distribution of thresholds, by its name."""
    kind = thresholds.get("distribution", "?") if isinstance(thresholds, Mapping) else "?"
    return shorten(str(kind))

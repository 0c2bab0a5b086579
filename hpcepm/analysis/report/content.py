"""What is on the page of a run, in plain numbers and words."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from hpcepm.analysis.differences import place_of
from hpcepm.analysis.panels.base import MOST_CURVES
from hpcepm.analysis.panels.cycles import recurrence
from hpcepm.analysis.protocol import controls, cycles_of, is_cyclic, is_oscillation, read_out
from hpcepm.analysis.quantities import GROUPS
from hpcepm.analysis.results import Results, open_run
from hpcepm.analysis.summarize import summary
from hpcepm.analysis.verify import Finding, verify
from hpcepm.faults import NoRun
from hpcepm.identity import Identity
from hpcepm.layout import CYCLES, OSCILLATION
from hpcepm.reading import BadFile
from hpcepm.schedule import save_points_of
from hpcepm.text import count

from .avalanches import avalanches
from .curves import curves, said
from .maps import Cache, maps
from .plain import flat, numbers, plain

RUNNING: Final = "running"
STOPPED: Final = "stopped"
FINISHED: Final = "finished"

NOT_SHOWN: Final = {"input", "input_resolved", "parts", "progress", "rows", "finished", "plugins"}
"""Attributes of ``run.h5`` that are shown elsewhere, or say nothing to a person."""

Section = Callable[[Results], Any]


def content_of(directory: str, at_work: bool, cache: Cache) -> dict[str, Any]:
    """Return what is on the page of a run.

    Parameters
    ----------
    directory
        That of the run, or its ``run.h5``.
    at_work
        Whether somebody is at work in it.
    cache
        Maps that an earlier page had.

    Raises
    ------
    NoRun
        There is none, or none that says anything of itself.
    """
    with open_run(directory, "observables") as run:
        state = FINISHED if run.finished else RUNNING if at_work else STOPPED
        content: dict[str, Any] = {"state": state, "title": place_of(run).name}
        content |= _provenance(run)
        run.require_records()
    records = GROUPS[:1]
    parts: list[tuple[list[tuple[str, ...]], dict[str, Section]]] = [
        ([GROUPS, records], {"numbers": _numbers}),  # of tables too, if they are sound
        ([records], {"curves": curves}),
        ([(*records, "fields")], {"maps": lambda run: maps(run, cache), "memory": _memory}),
        ([("avalanches",)], {"avalanches": avalanches}),
        ([("cycles",)], {"cycles": _cycles}),
    ]
    warnings = []
    for groups, sections in parts:
        try:
            content |= _sections(directory, groups, sections)
        except BadFile as error:
            content |= dict.fromkeys(sections)
            warnings.append(f"not shown: {', '.join(sections)}: {error}")
    checks = None if state == RUNNING and not warnings else _verified(directory)
    return plain(content | {"warnings": warnings, "checks": checks})


def _sections(
    directory: str, groups: Sequence[tuple[str, ...]], sections: Mapping[str, Section]
) -> dict[str, Any]:
    """Return sections of a page, by the first groups that can be read."""
    first, *others = groups
    try:
        # Files come from strangers: a field, say, may hold NaN and infinity.
        with np.errstate(all="ignore"), open_run(directory, *first) as run:
            return {name: section(run) for name, section in sections.items()}
    except BadFile:
        if others:
            return _sections(directory, others, sections)
        raise


def _verified(directory: str) -> list[dict[str, Any]]:
    """Return what `verify` finds."""
    try:
        found = list(verify(directory))
    except NoRun as error:
        found = [Finding("run.h5", [str(error)])]
    return [one._replace(problems=one.problems[:20])._asdict() for one in found]


# Numbers


def _numbers(run: Results) -> dict[str, Any]:
    """Return the numbers that come first, and all observables at the last record."""
    found = summary(run)
    strain, n = run.strains, run.realizations
    wanted = run.settings["realizations"]
    of_all = " of all realizations" if n > 1 else " of the whole run"
    ends = [strain[k, : run.records_of(k)] for k in range(n)]
    furthest = max((float(one) for ways in ends for one in (ways.min(), ways.max())), key=abs)
    known = {one.name: one for one in found.quantities if one.known}
    first = {
        "lattice": "{} × {} sites".format(*run.shape),
        "realizations": str(n) if n == wanted else f"{n} of {wanted}",
        "progress": _progress(run),
        "ended by": said(run.file, "ended_by"),
        "largest strain": f"{furthest:.6g}",
        **{name: f"{one.value} {one.unit}".rstrip() for name, one in known.items()},
        f"events{of_all}": count(_in_all(run, "events")),
        f"avalanches{of_all}": count(_in_all(run, "avalanches")),
    }
    notes = {name: one.note for name, one in known.items()}
    head = ["mean", "error", "5 %", "median", "95 %"] if n > 1 else ["value"]
    rows = []
    for name, one in found.bands.items():
        values = [one.mean[-1], one.error[-1], *one.quantiles[[0, 2, 4], -1]]
        rows.append([name, *map(float, values[: len(head)])])
    shown = [[name, value, notes.get(name, "")] for name, value in first.items() if value]
    return {"first": shown, "head": head, "last": rows}


def _progress(run: Results) -> str:
    """Say which part of its records a run has that is not finished, where that is known."""
    if run.finished or run.counted or run.realizations > 1:
        return ""
    wanted = sum(point.record for point in save_points_of(run.settings))
    return f"{run.strain.size} of {wanted} records"


def _in_all(run: Results, name: str) -> float:
    """Return a count at the end of each realization, summed."""
    if name not in run.observables:
        return 0.0
    return float(sum(values[-1] for _, values in run.curves(name) if values.size))


# Cycles


def _cycles(run: Results) -> dict[str, Any] | None:
    """Return what is known of each cycle, by realization; None if no cycle has ended."""
    if not (is_cyclic(run) or is_oscillation(run)):
        return None
    told, back = (CYCLES, recurrence(run)) if is_cyclic(run) else (OSCILLATION, "")
    each = (cycles_of(run, k) for k in range(run.realizations))
    found = [one for one in islice(each, MOST_CURVES) if one["loss_modulus"].size]
    if not found:
        return None
    whole = [name for name in told if name in found[0] and found[0][name].ndim == 1]
    lines = [{name: numbers(one[name]) for name in whole} for one in found]
    for line, one in zip(lines, found, strict=True):
        line["cycle"] = list(range(1, one["loss_modulus"].size + 1))
    names = {name: (told[name][1], told[name][0]) for name in whole}
    return {"names": names, "lines": lines, "recurrence": back}


def _memory(run: Results) -> dict[str, Any] | None:
    """Return how far a trained glass is changed by cycles of each amplitude."""
    found = read_out(run)
    return None if found is None else found._asdict()


# Where it comes from


def _provenance(run: Results) -> dict[str, Any]:
    """Return what made the run, and from which input."""
    attributes = {
        name: value.item() if isinstance(value, np.generic) else value
        for name in sorted(set(run.file.attrs) - NOT_SHOWN)
        if isinstance(value := run.file.attrs[name], str | np.integer | np.floating | np.bool_)
    }
    parts = [part for part in Identity.of(run.file).parts if isinstance(part, Mapping)]
    return {
        "provenance": [[name, value] for name, value in attributes.items()],
        "parts": [sorted(part.items()) for part in parts] if len(parts) > 1 else [],
        "subtitle": _subtitle(run),
        "keys": flat(run.settings),
        "input": said(run.file, "input"),
    }


def _subtitle(run: Results) -> str:
    """Say in a line what the glass is and how it is driven."""
    glass, (nx, ny) = run.settings.get("thresholds"), run.shape
    initial = glass.get("initial") if isinstance(glass, Mapping) else None
    of = f"{initial} glass, " if isinstance(initial, str) else ""
    driven = " and ".join(sorted(controls(run)))
    seed, kernel = run.settings["seed"], run.settings["kernel"]["type"]
    return f"{nx} × {ny} sites, {of}{kernel} kernel, {driven} control, seed {seed}"

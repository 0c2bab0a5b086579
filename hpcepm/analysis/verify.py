"""Whether a run directory holds what its run computed: ``hpcepm verify RUNDIR``.

First the checksums of all files, for HDF5 must not open a damaged one. Then, of what they hold:
that tables go on without a gap, that numbers are in their bounds, and that they agree with each
other: stress with strain, events with avalanches, fields with records. All this holds of a run at
work too, at any moment.
"""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.files import damage
from hpcepm.identity import require_run
from hpcepm.layout import CHECKPOINT_NAME, FIELDS, PIECE_NAME, piece_name
from hpcepm.reading import (
    BadFile,
    attribute,
    count,
    dataset,
    group,
    names,
    open_hdf5,
    own_names,
)
from hpcepm.schedule import SavePoint, common, save_points, turns_of

from .results import LOOKS, Results, open_run, run_file_of, version_of

CLOSE: Final = 1e-9
"""How well sums must agree that were made in another order, relative to their terms."""

AT_ONCE: Final = 2**20
"""So many numbers of a dataset are read at a time, or one map if it has more."""

NOT_NEGATIVE: Final = r".*_variance|.*_m4|x_min|localization|events|avalanches"
RISING: Final = ("events", "avalanches")
MEANS: Final = {"sigma": "stress", "epsilon_p": "plastic_strain", "sigma_c": "threshold_mean"}
"""Which observable is the mean of a field."""


class Finding(NamedTuple):
    """What a check came to."""

    what: str
    problems: list[str]


def verify(path: str) -> Iterator[Finding]:
    """Check a run; say what each check came to, one by one.

    Raises
    ------
    NoRun
        There is none.
    """
    run_file = run_file_of(path)
    if not run_file.is_file():
        there = own_names(run_file.parent / "pieces", PIECE_NAME)
        hint = "--repair makes it of the pieces" if there else "name the directory of a run"
        raise BadFile(f"{run_file}: No such file; {hint}")
    folder = run_file.parent
    pieces = [folder / "pieces" / name for name in own_names(folder / "pieces", PIECE_NAME)]
    checkpoints = [
        folder / "checkpoints" / name for name in own_names(folder / "checkpoints", CHECKPOINT_NAME)
    ]
    files = [run_file, *pieces, *checkpoints]
    checksums = Finding(f"checksums of {len(files)} files", _problems(files, damage))
    yield checksums
    if checksums.problems:
        return
    try:
        with open_run(run_file) as run:
            others = [path for path in (*pieces, *checkpoints) if path.exists()]
            identity = attribute(run.file, "run", str)
            of_run = _problems(others, lambda path: _foreign(path, identity))
            yield Finding("all files are of this run", of_run)
            yield Finding("checkpoints", _problems(checkpoints, _incomplete))
            for what, check in CHECKS.items():
                yield Finding(what, list(check(run)))
    except BadFile as error:
        yield Finding("run.h5", [str(error)])
    if strangers := ", ".join(_not_of_a_run(folder)):
        yield Finding(f"left alone, for they are not of a run: {strangers}", [])


def _problems(files: list[Path], of: Callable[[Path], str | None]) -> list[str]:
    """Return what is wrong with files that are still there: a run at work removes old ones."""
    found = [(path, of(path)) for path in files]
    return [problem for path, problem in found if problem is not None and path.exists()]


def _foreign(path: Path, run: str) -> str | None:
    """Say whether a file, whose checksum is right, is of another run."""
    try:
        with open_hdf5(path, checked=True) as file:
            require_run(file, run)
    except BadFile as error:
        return str(error)
    return None


def _incomplete(checkpoint: Path) -> str | None:
    """Say what a checkpoint counts on that is not there."""
    pieces = checkpoint.parent.parent / "pieces"
    try:
        with open_hdf5(checkpoint, checked=True) as file:
            count(file, "format_version")
            tables = group(file, "pieces")
            for table in names(tables, r"\w+"):
                for _, serial in dataset(tables, table, np.int64, (None, 2)):
                    piece = pieces / piece_name(table, serial)
                    if not piece.exists():
                        return f"{checkpoint}: counts on {piece.name}, which is missing"
    except BadFile as error:
        return str(error)
    return None


def _not_of_a_run(folder: Path) -> Iterator[str]:
    """Name what lies in the folders of a run and is not its own."""
    own = {"pieces": PIECE_NAME, "checkpoints": f"{CHECKPOINT_NAME}|newest"}
    for name, pattern in own.items():
        ours = own_names(folder / name, rf"(?:{pattern})(?:\.partial)?")
        others = set(own_names(folder / name, r"(?s:.*)")) - set(ours)
        yield from (f"{name}/{other}" for other in sorted(others))


def _continuity(run: Results) -> Iterator[str]:
    """Check that tables have the strains that the input wants, and end where the run ended."""
    points = _save_points(run)
    wanted = {
        "observables": [point.strain for point in points if point.record],
        "profiles": [point.strain for point in points if point.record],
        "fields": [point.strain for point in points if point.snapshot],
    }
    whole = run.finished or run.realizations > 1
    for name, strains in wanted.items():
        found = run.file[name]["strain"][()].tolist() if name in run.file else []
        if (k := common(tuple(found), tuple(strains))) < len(found):
            yield f"{name}/strain: number {k}, {found[k]:g}, is not one that the input asks for"
        elif whole and len(found) != len(strains):
            yield f"{name}/strain: ends at {max(found, default=0):g}, and the run is finished"
    if run.finished and run.realizations != run.settings["realizations"]:
        yield f"observables: the run is finished, but has {run.realizations} realizations"
    if len(run.file["profiles/strain"]) != len(run.strain):
        yield "profiles: has another number of records than observables"
    if "avalanches" in run.file and (np.diff(run.file["avalanches/realization"]) < 0).any():
        yield "avalanches: are not in order of realizations"


def _save_points(run: Results) -> list[SavePoint]:
    """Return where the run saves."""
    output = run.settings["output"]
    every = output["fields"]["every"] if output["fields"] else None
    turns = turns_of(run.settings["loading"])
    return save_points(turns, output["observables"]["every"], every)


def _bounds(run: Results) -> Iterator[str]:
    """Check that every number is one, and lies where it can."""
    for name, observable in run.observables.items():
        values = observable[()]
        if not np.isfinite(values).all():
            yield f"observables/{name}: has NaN or infinity"
        if re.fullmatch(NOT_NEGATIVE, name) and (values < 0).any():
            yield f"observables/{name}: is negative"
        rises = name in RISING or (name == "plastic_strain" and not _two_sides(run))
        if rises and (np.diff(values, axis=1) < 0).any():
            yield f"observables/{name}: falls, and never can"
    nx, ny = run.shape
    for first, table in _avalanches(run):
        sites, duration, events = table["sites"], table["duration"], table["events"]
        x, y = table["x"], table["y"]
        for said, bad in {
            "sites that are none, or more than events": (sites < 1) | (sites > events),
            "a duration of no step, or of more steps than events": (duration < 1)
            | (duration > events),
            "a slip that is not positive": ~(table["slip"] > 0) & (not _two_sides(run)),
            "a trigger outside the lattice": (x >= nx) | (y >= ny) | (x < 0) | (y < 0),
        }.items():
            if bad.any():
                yield f"avalanches: row {first + int(bad.argmax())} has {said}"


def _two_sides(run: Results) -> bool:
    """Return whether sites yield backward, too."""
    rule = run.settings.get("yielding")  # runs of before had one side
    return isinstance(rule, dict) and rule.get("sides") == "two"


def _avalanches(run: Results) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """Yield the table of avalanches in parts: the number of the first row, and columns."""
    table = run.file.get("avalanches", {})
    for first in range(0, table["slip"].size if table else 0, AT_ONCE):
        yield first, {name: column[first : first + AT_ONCE] for name, column in table.items()}


def _balances(run: Results) -> Iterator[str]:
    """Check what follows from elasticity: stress from strain, the stress drop from the slip."""
    modulus = 2 * run.settings["elasticity"]["shear_modulus"]
    expected = modulus * (run.strain - run.observable("plastic_strain"))
    worst = np.abs(run.observable("stress") - expected).max(initial=0.0)
    if worst > CLOSE * modulus * max(1.0, run.strain.max(initial=0.0)):
        yield f"observables/stress: is not 2 mu (strain - plastic strain), by up to {worst:g}"
    for first, table in _avalanches(run):
        drops = modulus * table["slip"] / np.prod(run.shape)
        bad = ~np.isclose(table["stress_drop"], drops, rtol=CLOSE, atol=0)
        if bad.any():
            where = first + int(bad.argmax())
            yield f"avalanches/stress_drop: is not 2 mu slip / (nx ny) in row {where}"


def _agreement(run: Results) -> Iterator[str]:
    """Check that avalanches add up to the events and the plastic strain of each record.

    None twice, none missing.
    """
    if "avalanches" not in run.file:
        return
    table = run.file["avalanches"]
    begin = np.searchsorted(table["realization"], np.arange(run.realizations + 1))
    counts, events = run.observable("avalanches"), run.observable("events")
    plastic = run.observable("plastic_strain")
    for k, until in enumerate(counts):
        mine, of = slice(begin[k], begin[k + 1]), f"avalanches of realization {k}"
        if until.max(initial=0) > begin[k + 1] - begin[k]:
            yield f"{of}: records count {until.max()}, the table has {begin[k + 1] - begin[k]}"
            continue
        sums = np.concatenate([[0], np.cumsum(table["events"][mine])])[until]
        slips = np.concatenate([[0.0], np.cumsum(table["slip"][mine])])[until]
        if (sums != events[k]).any():
            where = int((sums != events[k]).argmax())
            yield f"{of}: their events do not add up to those of record {where}"
        if not np.allclose(slips / np.prod(run.shape), plastic[k], rtol=CLOSE, atol=CLOSE):
            yield f"{of}: their slips do not add up to the plastic strain"


def _profiles(run: Results) -> Iterator[str]:
    """Check that each profile has the mean plastic strain of its record."""
    plastic = run.observable("plastic_strain")
    for name, profile in run.file["profiles"].items():
        if profile.ndim != 3:
            continue
        for k in range(run.realizations):
            means = profile[k].mean(axis=-1)
            bad = ~np.isclose(means, plastic[k, : len(means)], rtol=1e-7, atol=CLOSE)
            if bad.any():
                where = f"record {int(bad.argmax())} of realization {k}"
                yield f"profiles/{name}: does not come to the plastic strain of {where}"


def _fields(run: Results) -> Iterator[str]:
    """Check each snapshot against the record at the same strain."""
    if "fields" not in run.file:
        return
    fields, strain = run.file["fields"], run.strain
    at_once = max(1, AT_ONCE // int(np.prod(run.shape)))
    records = accumulate(point.record for point in _save_points(run))
    taken = zip(_save_points(run), records, strict=True)
    recorded = [n - 1 if point.record else -1 for point, n in taken if point.snapshot]
    for snapshot in range(len(fields["strain"])):
        record = np.array([k for k in recorded[snapshot : snapshot + 1] if 0 <= k < strain.size])
        for first in range(0, run.realizations, at_once):
            some = slice(first, first + at_once)
            maps = {name: fields[name][some, snapshot] for name in FIELDS if name in fields}
            for problem in _of_maps(run, maps, some, record):
                yield f"fields: snapshot {snapshot}, from realization {first} on: {problem}"


def _of_maps(
    run: Results, maps: dict[str, NDArray[Any]], some: slice, record: NDArray[np.int64]
) -> Iterator[str]:
    """Check the maps of some realizations, each (realization, nx, ny)."""
    bad = [name for name, values in maps.items() if not np.isfinite(values).all()]
    if bad:
        yield f"has NaN or infinity in {', '.join(bad)}"
        return
    if "sigma" in maps and "sigma_c" in maps:
        sigma, sigma_c = maps["sigma"], maps["sigma_c"]
        if (sigma > sigma_c + CLOSE * np.abs(sigma).max()).any():
            yield "has sites above their threshold"
    if "sigma" in maps and "sigma_c_backward" in maps:
        sigma, backward = maps["sigma"], maps["sigma_c_backward"]
        if (-sigma > backward + CLOSE * np.abs(sigma).max()).any():
            yield "has sites beyond their threshold backward"
    for name, values in maps.items() if record.size else ():
        if name not in (*MEANS, "n_events"):
            continue
        if name == "n_events":
            found, wanted, close = values.sum(axis=(1, 2)), "events", 0.0
        else:
            found, wanted, close = values.mean(axis=(1, 2)), MEANS[name], 1e-7
        expected = run.file["observables"][wanted][some, record[0]]
        if (np.abs(found - expected) > close * np.maximum(1, np.abs(expected))).any():
            yield f"{name} does not come to the {wanted} of record {record[0]}"


CHECKS: Final[dict[str, Callable[[Results], Iterator[str]]]] = {
    "continuity": _continuity,
    "bounds": _bounds,
    "balance of stress": _balances,
    "avalanches against records": _agreement,
    "profiles against records": _profiles,
    "fields against records": _fields,
}


def report(directory: str, say: Callable[[str], None]) -> bool:
    """Verify a directory aloud; return whether all is well.

    A run at work replaces its files while they are read: what looks wrong is looked at again.
    """
    for again in range(LOOKS - 1, -1, -1):
        before, findings = version_of(run_file_of(directory)), []
        for finding in verify(directory):
            findings.append(finding)
            if finding.problems and again and version_of(run_file_of(directory)) != before:
                break
        else:
            break
    for finding in findings:
        say(f"{'ok  ' if not finding.problems else 'BAD '} {finding.what}")
        for problem in finding.problems[:20]:
            say(f"       {problem}")
    sound = not any(finding.problems for finding in findings)
    if not sound and version_of(run_file_of(directory)) != before:
        say("     the run is at work: look again when it is over")
    say(f"verdict: {directory} is {'sound' if sound else 'NOT sound'}")
    return sound

"""Whether a run directory holds what its run computed: ``hpcepm verify RUNDIR``.

First the checksums of all files, for HDF5 must not open a damaged one. Then, of what they hold:
that tables go on without a gap, that numbers are in their bounds, and that they agree with each
other: stress with strain, events with avalanches, fields with records. All this holds of a run at
work too, at any moment.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from hpcepm.files import damage
from hpcepm.layout import CHECKPOINT_NAME, LISTS, PIECE_NAME
from hpcepm.reading import BadFile, attribute, own_names
from hpcepm.schedule import common, save_points_of

from .missing import no_run, run_file_of
from .protocol import has_two_sides, segments
from .results import LOOKS, Results, open_run, version_of
from .verify_events import events_against_others, parts_of
from .verify_fields import CLOSE, fields_against_records
from .verify_files import ahead, foreign, incomplete, not_of_a_run, problems, unused

MOST: Final = 2**62
"""More than all counts."""

NOT_NEGATIVE: Final = r".*_variance|.*_m4|x_min|localization|events|avalanches|persistence"
RISING: Final = ("events", "avalanches")


class Finding(NamedTuple):
    """What a check came to, or why nothing was checked."""

    what: str
    problems: list[str]
    left_out: str = ""


def verify(path: str) -> Iterator[Finding]:
    """Check a run; say what each check came to, one by one.

    Raises
    ------
    NoRun
        There is none.
    """
    run_file = run_file_of(path)
    if (problem := no_run(path)) is not None:
        raise BadFile(problem)
    folder = run_file.parent
    pieces = [folder / "pieces" / name for name in own_names(folder / "pieces", PIECE_NAME)]
    checkpoints = [
        folder / "checkpoints" / name for name in own_names(folder / "checkpoints", CHECKPOINT_NAME)
    ]
    files = [run_file, *pieces, *checkpoints]
    damaged = [path for path in files if damage(path)]
    spare = unused(damaged, run_file, checkpoints) if damaged else []
    counted = [path for path in damaged if path not in spare]
    checksums = Finding(f"checksums of {len(files)} files", problems(counted, damage))
    yield checksums
    if checksums.problems:
        return
    try:
        with open_run(run_file) as run:
            mine = (path for path in (*pieces, *checkpoints) if path not in spare)
            others = [path for path in mine if path.exists()]
            identity = attribute(run.file, "run", str)
            of_run = problems(others, lambda path: foreign(path, identity))
            yield Finding("all files are of this run", of_run)
            of_checkpoints = problems(checkpoints, incomplete)
            if not of_checkpoints:
                of_checkpoints = problems(checkpoints[-1:], lambda path: ahead(path, run.file))
            yield Finding("checkpoints", of_checkpoints)
            if not run.is_whole:
                yield Finding("a part of a run, whose tables cannot be compared", [])
            for what, check in CHECKS.items():
                if run.is_whole or check.of_parts:
                    left_out = check.left_out(run)
                    yield Finding(what, [] if left_out else list(check.find(run)), left_out)
    except BadFile as error:
        yield Finding("run.h5", [str(error)])
    if spare:
        names = ", ".join(f"pieces/{path.name}" for path in spare)
        yield Finding(f"left alone, for it is damaged and nothing counts on it: {names}", [])
    if strangers := ", ".join(not_of_a_run(folder)):
        yield Finding(f"left alone, for they are not of a run: {strangers}", [])


def _continuity(run: Results) -> Iterator[str]:
    """Check that tables have the strains that the input wants, and end where the run ended."""
    points = [] if run.counted else save_points_of(run.settings)
    wanted = {
        "observables": [point.strain for point in points if point.record],
        "profiles": [point.strain for point in points if point.record],
        "fields": [point.strain for point in points if point.snapshot],
    }
    if run.counted:
        wanted = {}
        yield from _counted(run)
    whole = run.finished or run.realizations > 1
    for name, strains in wanted.items():
        found = run.file[name]["strain"][()].tolist() if name in run.file else []
        if (k := common(tuple(found), tuple(strains))) < len(found):
            yield f"{name}/strain: number {k}, {found[k]:g}, is not one that the input asks for"
        elif whole and len(found) != len(strains):
            yield f"{name}/strain: ends at {max(found, default=0):g}, and the run is finished"
    if run.finished and run.realizations != run.settings["realizations"]:
        yield f"observables: the run is finished, but has {run.realizations} realizations"
    if run.file["profiles/strain"].shape != run.strain.shape:
        yield "profiles: has another number of records than observables"
    for name in LISTS:
        if name in run.file and (np.diff(run.file[name]["realization"]) < 0).any():
            yield f"{name}: are not in order of realizations"


def _counted(run: Results) -> Iterator[str]:
    """Check that profiles have the strains of the records, and tables as many rows as they say."""
    strains, profiles = run.strains, run.file["profiles"]
    if not np.array_equal(profiles["strain"][()], strains, equal_nan=True):
        yield "profiles/strain: is not that of the records"
    if run.has_clock:
        yield from _in_time(run)
    for name, along in (("observables", "record"), ("fields", "snapshot")):
        if name not in run.file:
            continue
        there = np.isfinite(run.file[name]["strain"][()])
        counts = run.file[name][f"{along}s"][()]
        if (there != (np.arange(there.shape[1]) < counts[:, None])).any():
            yield f"{name}/{along}s: counts others than have a strain"
    if run.finished and run.file.attrs.get("ended_by") is None:
        yield "the run is finished, and it is not said why"


def _in_time(run: Results) -> Iterator[str]:
    """Check that time never goes back, and is the same in all tables."""
    times = run.times
    for name in ("observables", "profiles", "fields"):
        if name not in run.file:
            continue
        time = run.file[name]["time"][()]
        if (np.diff(time, axis=-1) < 0).any() or (time < 0).any():
            yield f"{name}/time: goes back"
        if name == "profiles" and not np.array_equal(time, times, equal_nan=True):
            yield "profiles/time: is not that of the records"
    if (run.observable("persistence") > 1).any():
        yield "observables/persistence: is above 1"
    for first, table in parts_of(run, "avalanches"):
        same = np.diff(table["realization"]) == 0
        if (same & (np.diff(table["time"]) < 0)).any():
            yield f"avalanches/time: goes back after row {first}"
        if ((table["fraction"] < 0) | (table["fraction"] >= 1)).any():
            yield f"avalanches/fraction: is no fraction after row {first}"


def _bounds(run: Results) -> Iterator[str]:
    """Check that every number is one, and lies where it can."""
    for name, observable in run.observables.items():
        rises = name in RISING or (name == "plastic_strain" and not _two_sides(run))
        inside = run.counted and name == "x_min"  # in avalanches sites are beyond their threshold
        for k, row in enumerate(observable[()]):
            values = row[: run.records_of(k)]
            if not np.isfinite(values).all():
                yield f"observables/{name}: has NaN or infinity"
            if re.fullmatch(NOT_NEGATIVE, name) and (values < 0).any() and not inside:
                yield f"observables/{name}: is negative"
            if rises and (np.diff(values) < 0).any():
                yield f"observables/{name}: falls, and never can"
    nx, ny = run.shape
    for first, table in parts_of(run, "avalanches"):
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
    clock = run.settings.get("clock") or {}
    return clock.get("type") == "maxwell" or has_two_sides(run)


def _balances(run: Results) -> Iterator[str]:
    """Check what follows from elasticity: stress from strain."""
    modulus = 2 * run.settings["elasticity"]["shear_modulus"]
    plastic, stress = run.observable("plastic_strain"), run.observable("stress")
    worst = np.nanmax(np.abs(stress - modulus * (run.strains - plastic)), initial=0.0)
    largest = max(np.nanmax(np.abs(some), initial=0.0) for some in (run.strain, plastic))
    if worst > CLOSE * modulus * max(1.0, largest):
        yield f"observables/stress: is not 2 mu (strain - plastic strain), by up to {worst:g}"


def _drops(run: Results) -> Iterator[str]:
    """Check that each avalanche lowers the stress as its slip and the loading say."""
    stiffnesses = _stiffnesses(run)
    for first, table in parts_of(run, "avalanches"):
        bad = np.ones(table["slip"].size, bool)
        for stiffness in stiffnesses:
            drops = stiffness * table["slip"] / np.prod(run.shape)
            bad &= ~np.isclose(table["stress_drop"], drops, rtol=CLOSE, atol=0)
        if bad.any():
            where = first + int(bad.argmax())
            yield f"avalanches/stress_drop: is not K slip / (nx ny) in row {where}"


def _stiffnesses(run: Results) -> list[float]:
    """Return by how much slips lower the stress: K of each segment of the loading."""
    known = {"strain": 2 * run.settings["elasticity"]["shear_modulus"]}
    return [part.get("stiffness", known.get(part["control"], 0.0)) for part in segments(run)]


def _unknown_law(run: Results) -> str:
    """Say whose law is not known here, if it is of a plug-in."""
    unknown = {part["control"] for part in segments(run)} - LAWS
    return f"the law of {', '.join(sorted(unknown))} is not known here" if unknown else ""


def _agreement(run: Results) -> Iterator[str]:
    """Check that avalanches add up to the events and the plastic strain of each record.

    None twice, none missing.
    """
    table = run.file["avalanches"]
    begin = np.searchsorted(table["realization"], np.arange(run.realizations + 1))
    counts, events = run.observable("avalanches"), run.observable("events")
    plastic, before = run.observable("plastic_strain"), None
    if run.settings.get("initial_plastic_strain") is None:
        before = 0.0
    for k, until in enumerate(counts):
        until = until[: (n := run.records_of(k))]
        mine, of = slice(begin[k], begin[k + 1]), f"avalanches of realization {k}"
        if until.max(initial=0) > begin[k + 1] - begin[k]:
            yield f"{of}: records count {until.max()}, the table has {begin[k + 1] - begin[k]}"
            continue
        sums = np.concatenate([[0], np.cumsum(table["events"][mine]), [MOST]])
        slips = np.concatenate([[0.0], np.cumsum(table["slip"][mine])])[until] / np.prod(run.shape)
        if before is None and until.size:  # at the start, and so the same for all
            before = plastic[k, 0] - slips[0]
        inside = run.counted & (sums[until] < events[k, :n])  # records in avalanches
        bad = np.where(inside, events[k, :n] > sums[until + 1], sums[until] != events[k, :n])
        if bad.any():
            yield f"{of}: their events do not add up to those of record {int(bad.argmax())}"
        slipped = plastic[k, :n] - (before or 0.0)
        if not (np.isclose(slips, slipped, rtol=CLOSE, atol=CLOSE) | inside).all():
            yield f"{of}: their slips do not add up to the plastic strain"


def _profiles(run: Results) -> Iterator[str]:
    """Check that each profile has the mean plastic strain of its record."""
    plastic = run.observable("plastic_strain")
    for name, profile in run.file["profiles"].items():
        if profile.ndim != 3:
            continue
        for k in range(run.realizations):
            means = profile[k, : run.records_of(k)].mean(axis=-1)
            bad = ~np.isclose(means, plastic[k, : len(means)], rtol=1e-7, atol=CLOSE)
            if bad.any():
                where = f"record {int(bad.argmax())} of realization {k}"
                yield f"profiles/{name}: does not come to the plastic strain of {where}"


LAWS: Final = {"strain", "stress", "extremal", "machine"}
"""The loadings of which `_stiffnesses` knows how slips lower the stress."""


class Check(NamedTuple):
    """One of the checks."""

    find: Callable[[Results], Iterator[str]]
    table: str = ""
    """What it is of, if there may be no such table."""

    of_parts: bool = False
    """Whether it holds of a part of a run too."""

    unknown: Callable[[Results], str] = lambda run: ""
    """Says what must be known for it, and is not."""

    def left_out(self, run: Results) -> str:
        """Say why there is nothing to check, if so."""
        return "not kept" if self.table and self.table not in run.file else self.unknown(run)


CHECKS: Final = {
    "continuity": Check(_continuity),
    "bounds": Check(_bounds, of_parts=True),
    "balance of stress": Check(_balances, of_parts=True),
    "stress drops of avalanches": Check(_drops, "avalanches", True, _unknown_law),
    "avalanches against records": Check(_agreement, "avalanches"),
    "profiles against records": Check(_profiles),
    "fields against records": Check(fields_against_records, "fields"),
    "events against avalanches": Check(events_against_others, "events"),
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
        if finding.left_out:
            say(f"–    {finding.what}: {finding.left_out}")
        else:
            say(f"{'ok  ' if not finding.problems else 'BAD '} {finding.what}")
        for problem in finding.problems[:20]:
            say(f"       {problem}")
    sound = not any(finding.problems for finding in findings)
    if not sound and version_of(run_file_of(directory)) != before:
        say("     the run is at work: look again when it is over")
    say(f"verdict: {directory} is {'sound' if sound else 'NOT sound'}")
    return sound

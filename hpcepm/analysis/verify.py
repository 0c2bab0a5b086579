"""Whether a run directory holds what its run computed: ``python -m hpcepm verify RUNDIR``.

First the seals of all files, for HDF5 must not open a damaged one. Then, of what they hold: that
tables go on without a gap, that numbers are in their bounds, and that they agree with each other:
stress with strain, events with avalanches, fields with records.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcepm.parallel.ranks import Ranks
from hpcepm.storage.checkpoint import BadCheckpoint, missing_newest, read_header
from hpcepm.storage.checksum import broken_seal
from hpcepm.storage.directory import NoRun, read_identity

CLOSE: Final = 1e-9
"""How well sums must agree that were made in another order, relative to their terms."""


class Finding(NamedTuple):
    """What a check came to."""

    what: str
    problems: list[str]


class Run(NamedTuple):
    """An open run: its file, and what it was asked for."""

    file: h5py.File
    settings: dict[str, Any]
    finished: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Return (nx, ny)."""
        nx, ny = self.settings["lattice"]["shape"]
        return nx, ny

    def observable(self, name: str) -> NDArray[Any]:
        """Return the values of an observable, (realization, record)."""
        return self.file["observables"][name][()]

    @property
    def strain(self) -> NDArray[np.float64]:
        """Return the strains of the records."""
        return self.file["observables/strain"][()]


def verify(directory: str) -> Iterator[Finding]:
    """Check a run directory; say what each check came to, one by one.

    Raises
    ------
    NoRun
        There is none.
    """
    path = Path(directory)
    if not (path / "run.h5").is_file():
        raise NoRun(f"{path / 'run.h5'}: No such file; name the directory of a run")
    seals = _broken_seals(path)
    yield seals
    if seals.problems:
        return
    yield Finding("checkpoints", _bad_checkpoints(path))
    identity = read_identity(path / "run.h5")
    if identity is None:
        yield Finding("run.h5", [f"{path / 'run.h5'}: is not of this version of hpcepm"])
        return
    with h5py.File(path / "run.h5", "r") as file:
        run = Run(file, identity.settings, identity.finished)
        for what, check in CHECKS.items():
            yield Finding(what, list(check(run)))


def _broken_seals(path: Path) -> Finding:
    ranks = Ranks(MPI.COMM_SELF)
    files = [
        path / "run.h5",
        *sorted((path / "pieces").glob("*.h5")),
        *sorted((path / "checkpoints").glob("[0-9]*.h5")),
    ]
    problems = [problem for file in files if (problem := broken_seal(file, ranks)) is not None]
    return Finding(f"checksums of {len(files)} files", problems)


def _bad_checkpoints(path: Path) -> list[str]:
    problems = []
    if (missing := missing_newest(path / "checkpoints")) is not None:
        problems.append(f"{missing}: the newest checkpoint is missing")
    for file in sorted((path / "checkpoints").glob("[0-9]*.h5")):
        try:
            read_header(file)
        except BadCheckpoint as error:
            problems.append(str(error))
    return problems


def _continuity(run: Run) -> Iterator[str]:
    """Check that tables have no gap and end where the run ended."""
    yield from _missing_pieces(run.file)
    strain = run.strain
    if len(strain) == 0:
        return
    if strain[0] != 0 or not (np.diff(strain) > 0).all():
        yield "observables/strain: does not begin at 0 or does not rise"
    if run.finished and strain[-1] != run.settings["loading"]["target"]:
        yield f"observables/strain: the run is finished, but ends at {strain[-1]:g}"
    if len(run.file["profiles/strain"]) != len(strain):
        yield "profiles: has another number of records than observables"


def _missing_pieces(file: h5py.File) -> Iterator[str]:
    """Name the pieces that a dataset of ``run.h5`` shows and that are not there."""
    folder = Path(file.filename).parent
    for group in file.values():
        for name, dataset in group.items():
            for source in dataset.virtual_sources() if dataset.is_virtual else ():
                if not (folder / source.file_name).is_file():
                    yield f"{group.name[1:]}/{name}: {source.file_name} is missing"


def _bounds(run: Run) -> Iterator[str]:
    """Check that every number is one, and lies where it can."""
    for name, dataset in run.file["observables"].items():
        if not np.isfinite(dataset[()]).all():
            yield f"observables/{name}: has NaN or infinity"
    for name in (
        "stress_variance",
        "strain_variance",
        "plastic_strain_variance",
        "threshold_variance",
        "x_min",
        "localization",
    ):
        if (run.observable(name) < 0).any():
            yield f"observables/{name}: is negative"
    for name in ("events", "avalanches", "plastic_strain"):
        if (np.diff(run.observable(name), axis=1) < 0).any():
            yield f"observables/{name}: falls, and never can"
    if "avalanches" in run.file:
        table = {name: column[()] for name, column in run.file["avalanches"].items()}
        nx, ny = run.shape
        for said, bad in {
            "sites that are none, or more than events": (table["sites"] < 1)
            | (table["sites"] > table["events"]),
            "a duration of no step, or of more steps than events": (table["duration"] < 1)
            | (table["duration"] > table["events"]),
            "a slip that is not positive": ~(table["slip"] > 0),
            "a trigger outside the lattice": (table["x"] >= nx)
            | (table["y"] >= ny)
            | (table["x"] < 0)
            | (table["y"] < 0),
        }.items():
            if bad.any():
                yield f"avalanches: row {int(np.flatnonzero(bad)[0])} has {said}"


def _balances(run: Run) -> Iterator[str]:
    """Check what follows from elasticity: stress from strain, the stress drop from the slip."""
    modulus = 2 * run.settings["elasticity"]["shear_modulus"]
    expected = modulus * (run.strain - run.observable("plastic_strain"))
    worst = np.abs(run.observable("stress") - expected).max(initial=0.0)
    if worst > CLOSE * modulus * max(1.0, run.strain.max(initial=0.0)):
        yield f"observables/stress: is not 2 mu (strain - plastic strain), by up to {worst:g}"
    if "avalanches" in run.file:
        table, (nx, ny) = run.file["avalanches"], run.shape
        drop, slip = table["stress_drop"][()], table["slip"][()]
        if not np.allclose(drop, modulus * slip / (nx * ny), rtol=CLOSE, atol=0):
            yield "avalanches/stress_drop: is not 2 mu slip / (nx ny)"


def _agreement(run: Run) -> Iterator[str]:
    """Check that avalanches add up to the events and the plastic strain of each record.

    None twice, none missing.
    """
    if "avalanches" not in run.file or not run.settings["output"]["avalanches"]:
        return
    table, (nx, ny) = run.file["avalanches"], run.shape
    for realization, (until, events, plastic) in enumerate(
        zip(
            run.observable("avalanches"),
            run.observable("events"),
            run.observable("plastic_strain"),
            strict=True,
        )
    ):
        mine = table["realization"][()] == realization
        if until.max(initial=0) > mine.sum():
            yield f"avalanches: the records count {until.max()}, the table has {mine.sum()}"
            continue
        sums = np.concatenate([[0], np.cumsum(table["events"][()][mine])])
        slips = np.concatenate([[0.0], np.cumsum(table["slip"][()][mine])]) / (nx * ny)
        if (sums[until] != events).any():
            yield f"avalanches: their events do not add up to those of record {int(np.flatnonzero(sums[until] != events)[0])}"
        if not np.allclose(slips[until], plastic, rtol=CLOSE, atol=CLOSE):
            yield "avalanches: their slips do not add up to the plastic strain"


def _fields(run: Run) -> Iterator[str]:
    """Check each snapshot against the record at the same strain."""
    if "fields" not in run.file:
        return
    fields, strain = run.file["fields"], run.strain
    for number, at in enumerate(fields["strain"][()]):
        here = {
            name: fields[name][0, number]
            for name in ("sigma", "sigma_c", "epsilon_p", "n_events")
            if name in fields
        }
        here = {
            name: values
            for name, values in here.items()
            if not (values == -1).all() and not np.isnan(values).all()
        }
        bad = [name for name, values in here.items() if not np.isfinite(values).all()]
        if bad:
            yield f"fields: snapshot {number} has NaN or infinity in {', '.join(bad)}"
            continue
        if (
            "sigma" in here
            and "sigma_c" in here
            and (here["sigma"] > here["sigma_c"] + CLOSE * np.abs(here["sigma"]).max()).any()
        ):
            yield f"fields: snapshot {number} has sites above their threshold"
        record = np.flatnonzero(np.abs(strain - at) <= CLOSE)
        if not record.size:
            continue
        wanted = {"sigma": "stress", "epsilon_p": "plastic_strain", "sigma_c": "threshold_mean"}
        for name, observable in wanted.items():
            if name in here:
                value = run.observable(observable)[0, record[0]]
                if abs(here[name].mean() - value) > 1e-7 * max(1.0, abs(value)):
                    yield f"fields: the mean of {name} in snapshot {number} is not the {observable} of record {record[0]}"
        if "n_events" in here and here["n_events"].sum() != run.observable("events")[0, record[0]]:
            yield f"fields: n_events of snapshot {number} do not add up to the events of record {record[0]}"


CHECKS: Final[dict[str, Callable[[Run], Iterator[str]]]] = {
    "continuity": _continuity,
    "bounds": _bounds,
    "balance of stress": _balances,
    "avalanches against records": _agreement,
    "fields against records": _fields,
}


def report(directory: str, say: Callable[[str], None]) -> bool:
    """Verify a directory aloud; return whether all is well."""
    sound = True
    for finding in verify(directory):
        say(f"{'ok  ' if not finding.problems else 'BAD '} {finding.what}")
        for problem in finding.problems[:20]:
            say(f"       {re.sub(r'[^ -~]', '?', problem)}")
        sound &= not finding.problems
    say(f"verdict: {directory} is {'sound' if sound else 'NOT sound'}")
    return sound

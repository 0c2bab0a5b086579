"""What a run will take: events, time, memory and bytes, from rehearsals and the model of costs.

Events a site hardly depend on the size of a lattice: in steady flow ⟨ε_p⟩ grows as ε does, and each
event adds its slip to it. Avalanches a site do, by a power of it. What an event takes is that of
`hpcepm.model.cost` on this many ranks, times what the rehearsals took by the same model.
"""

from collections.abc import Sequence
from math import ceil, inf, log
from typing import Final, NamedTuple

from hpcepm.input.glass import mean_slip
from hpcepm.input.output import FieldsInput, ObservablesInput
from hpcepm.input.read import ReadInput
from hpcepm.input.schema import Input
from hpcepm.model.choice import Choice
from hpcepm.model.cost import event_us
from hpcepm.parallel.ranks import Ranks

from .footprint import Counts, bytes_by_part, bytes_in_memory
from .rehearsal import Rehearsal, Trials, try_out
from .sharing import groups_of_ranks
from .stopping import age_of_process

LEAST_SECONDS: Final = 0.1
"""Of a rehearsal whose time counts."""

SAME: Final = 1.5
"""By which factor the events a site of some lattices may differ, if they are to tell of others."""

MOST_OF_NONE: Final = 3.0
"""So many are expected at the most where none was seen (with a probability of 95 %)."""

NOISE: Final = 0.2
"""How far times of a machine are from one another, at the least, as a part of them."""

UNTRIED: Final = 0.5
"""How much more, where the lattice itself was not tried, or where there is a network."""

SECONDS_AROUND: Final = 0.5
"""What a run does beside: it asks git, takes its directory, looks at all it wrote, and ends."""

SECONDS_OF_LAUNCHER: Final = 0.5
BYTES_A_SECOND: Final = 100e6
"""What the launcher of several ranks takes, and a disk; assumed."""

BYTES_OF_MPI: Final = 4 * 2**20
"""Of a rank of several: what MPI has for it besides."""


class Range(NamedTuple):
    """A number, and between which it probably is."""

    value: float
    low: float
    high: float

    @classmethod
    def about(cls, value: float, noise: float = NOISE) -> "Range":
        """Return a number that may be so much smaller or larger, as a part of it."""
        return cls(value, value / (1 + noise), value * (1 + noise))

    def times(self, factor: float) -> "Range":
        """Return it times a factor."""
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def by(self, other: "Range") -> "Range":
        """Return the product with another."""
        return Range(*(a * b for a, b in zip(self, other, strict=True)))


class Team(NamedTuple):
    """The ranks of a run.

    Attributes
    ----------
    ranks, nodes
        All of them, and on how many nodes.
    sharing
        How many share a realization.
    groups
        How many realizations are sheared at a time.
    idle
        How many have nothing to do.
    turns
        How many realizations a group shears, one after the other.
    """

    ranks: int
    nodes: int
    sharing: int
    groups: int
    idle: int
    turns: int

    @classmethod
    def of(cls, settings: Input, ranks: int, nodes: int) -> "Team":
        """Return the ranks of a run, each with a processor of its own."""
        n, (nx, ny) = settings.realizations, settings.lattice.shape
        asked, free = settings.ranks_per_realization, [False] * ranks
        groups, working = groups_of_ranks(free, asked, n, (nx, ny))
        sizes = [len(group) for group in groups[:working]]
        return cls(ranks, nodes, max(sizes), working, ranks - sum(sizes), ceil(n / working))


class Forecast(NamedTuple):
    """What a run will take.

    Attributes
    ----------
    engine
        Which, and why.
    team
        Its ranks.
    trials
        What was rehearsed.
    events
        Of one realization; None if nobody can know them.
    event_us
        What an event takes, in µs; None if nobody can know that.
    seconds
        Of the whole run, by part; without the events if these are not known.
    memory
        Bytes of a node: its programs, and its lattices.
    disk
        Bytes by part.
    """

    engine: Choice
    team: Team
    trials: Trials
    events: Range | None
    event_us: Range | None
    seconds: dict[str, Range]
    memory: dict[str, int]
    disk: dict[str, int]

    @property
    def whole(self) -> Range | None:
        """The seconds of the whole run."""
        if self.events is None or self.event_us is None:
            return None
        return Range(*(sum(part) for part in zip(*self.seconds.values(), strict=True)))


def forecast(read: ReadInput, own: Ranks, ranks: int, nodes: int, seconds: float) -> Forecast:
    """Return what a run will take.

    Parameters
    ----------
    read
        A valid input.
    own
        This process alone.
    ranks, nodes
        On which the run will be.
    seconds
        How long to rehearse.
    """
    settings = read.settings
    engine = settings.choice
    team = Team.of(settings, ranks, nodes)
    started = age_of_process()
    trials = try_out(read, own, seconds)
    events, us = events_of(read, trials), _event_us(read, trials, engine.engine, team)
    counts = _counts(settings, trials, events)
    took = _seconds(trials, team, counts, started)
    if events is not None and us is not None:
        took["events"] = events.by(us).times(1e-6 * team.turns)
    stepping = took.get("events", Range(0.0, 0.0, 0.0)).value
    written = 1 + int(stepping / settings.checkpoint.every)
    disk = bytes_by_part(read, counts, written, team.groups)
    tables = bytes_in_memory(read, disk)
    took["files"] = Range.about(sum(disk.values()) / BYTES_A_SECOND, 1.0)
    return Forecast(engine, team, trials, events, us, took, _memory(trials, team, tables), disk)


def events_of(read: ReadInput, trials: Trials) -> Range | None:
    """Return the events of a realization; None if nobody can know them."""
    n_sites, last = trials.shape[0] * trials.shape[1], trials.rehearsals[-1]
    if last.complete and last.shape == trials.shape:
        return Range(last.events, last.events, last.events)
    done = [one for one in trials.rehearsals if one.complete]
    if not done:
        return _by_mean_slip(read, trials)
    until = read.settings.loading.until
    likely = [one.events / one.n_sites for one in done[-3:]]
    if until.recurrence or max(likely) > SAME * min(likely):
        return None
    if not max(likely):
        return Range(0.0, 0.0, n_sites * MOST_OF_NONE / max(one.n_sites for one in done))
    spread = max(0.03, max(likely) / min(likely) - 1)
    return Range.about(likely[-1] * n_sites, spread)


def _by_mean_slip(read: ReadInput, trials: Trials) -> Range | None:
    """Return the events of a loading where no lattice came to its end: by their slips.

    The first rule that holds ends it, or the target of a strain. Plastic strain will be all strain,
    less what is elastic: between none and twice what it was. A target that is no strain may be
    reached before any rule holds.
    """
    loading, (first,) = read.settings.loading, trials.rehearsals[-1:]
    if read.settings.clock is not None:  # in time stress relaxes, and strain says little
        return None
    if len(loading.segments) > 1 or not first.events:
        return None
    until, a_site = loading.until, first.n_sites / mean_slip(read)
    strains = [until.strain, abs(loading.target) if loading.is_strain else None]
    elastic = abs(first.strain - first.plastic_strain)
    ends = [(max(0.0, one - 2 * elastic) * a_site, one * a_site) for one in strains if one]
    ends += [(one * a_site, one * a_site) for one in [until.plastic_strain] if one]
    ends += [(one * first.n_sites, one * first.n_sites) for one in [until.events_per_site] if one]
    if not ends:
        return None
    least, most = (min(some) for some in zip(*ends, strict=True))
    if loading.is_strain or loading.target == inf:
        return Range((most + least) / 2, least / 1.3, most * 1.3)
    return Range((most * first.events) ** 0.5, first.events, most * 1.3)


def _event_us(read: ReadInput, trials: Trials, engine: str, team: Team) -> Range | None:
    """Return what an event takes; None where nothing tells: with a clock, if none was seen."""
    seen = any(one.event_us > 0 or one.complete for one in trials.rehearsals)
    return event_us_of(trials, engine, team) if seen or not read.settings.clock else None


def event_us_of(trials: Trials, engine: str, team: Team) -> Range:
    """Return what an event takes on the ranks that share a realization, in µs."""
    nodes = min(team.nodes, team.sharing)
    clocked = trials.clocked
    model = sum(event_us(trials.shape, engine, team.sharing, nodes, clocked).values())
    counting = [
        one
        for one in trials.rehearsals
        if one.engine == engine and one.event_us > 0 and one.seconds > LEAST_SECONDS
    ]
    factors = [one.event_us / _by_model(one, clocked) for one in counting]
    itself = trials.rehearsals[-1].shape == trials.shape
    noise = NOISE + (0.0 if itself else UNTRIED) + (UNTRIED if team.nodes > 1 else 0.0)
    if not factors:
        return Range.about(model, NOISE + noise)
    own = factors[-1] if itself else max(factors)
    if itself and trials.rehearsals[-1].complete:
        return Range.about(own * model, noise)
    if len(counting) > 1 and counting[-1].shape == trials.shape:
        own = factors[-1] = _to_the_end(counting[-2], counting[-1], clocked)
    likely = (own * factors[-2 if len(factors) > 1 else -1]) ** 0.5
    low, high = min(factors[-3:]) / (1 + noise), max(factors[-3:]) * (1 + noise)
    return Range(likely * model, low * model, high * model)


def _by_model(one: Rehearsal, clocked: bool) -> float:
    return sum(event_us(one.shape, one.engine, clocked=clocked).values())


def _to_the_end(before: Rehearsal, last: Rehearsal, clocked: bool) -> float:
    """Return what an event takes to the end, over the model, where the last did not come so far.

    It is dearer than one of the lattice before as the first events of both tell.
    """
    first = before.first_event_us(last.events / last.n_sites) / _by_model(before, clocked)
    own, whole = last.first_event_us(last.events / last.n_sites), before.event_us
    dearer = own / _by_model(last, clocked) / first
    return (dearer if dearer > 0 else 1.0) * whole / _by_model(before, clocked)


def _counts(settings: Input, trials: Trials, events: Range | None) -> Counts:
    """Return the rows of the tables of a run."""
    n, last = settings.realizations, trials.rehearsals[-1]
    complete = [one for one in trials.rehearsals if one.complete] or [last]
    by = complete[-1]
    avalanches = by.avalanches * _growth(complete[-2:], trials.shape)
    output, left = settings.output, 0.0
    if not by.complete and events is not None and by.events:
        avalanches = by.avalanches * events.value / by.events
        left = by.plastic_strain * (events.value / by.events - 1)
    records, snapshots = trials.records, trials.snapshots
    if records is None:
        records = by.records + _more(output.observables, left)
    if snapshots is None:
        snapshots = by.snapshots + _more(output.fields, left)
    kept = avalanches if output.avalanches else 0
    each = events.value if output.events and events is not None else 0
    lists = round(n * kept), round(n * each)
    return Counts(n, n * records, lists[0], n * snapshots, n * by.cycles, lists[1])


def _more(cadence: ObservablesInput | FieldsInput | None, strain: float) -> int:
    """Return how many are taken while so much plastic strain is added."""
    if cadence is None or cadence.every is None or cadence.of not in ("strain", "plastic_strain"):
        return 0
    return int(strain / cadence.every)


def _growth(two: Sequence[Rehearsal], shape: tuple[int, int]) -> float:
    """Return by which factor a lattice has more avalanches than the last of two smaller ones."""
    last, n_sites = two[-1], shape[0] * shape[1]
    if last.n_sites == n_sites:
        return 1.0
    power = 1.0
    if len(two) > 1 and two[0].avalanches and last.avalanches:
        power = log(last.avalanches / two[0].avalanches) / log(last.n_sites / two[0].n_sites)
    return (n_sites / last.n_sites) ** min(max(power, 0.4), 1.0)


def _seconds(trials: Trials, team: Team, counts: Counts, started: float) -> dict[str, Range]:
    """Return what else takes time than events and files."""
    last = trials.rehearsals[-1]
    n_records = counts.observables / counts.realizations * team.turns
    scale = trials.shape[0] * trials.shape[1] / last.n_sites
    around = SECONDS_AROUND + (SECONDS_OF_LAUNCHER if team.ranks > 1 else 0.0)
    return {
        "start": Range.about(started + trials.seconds_to_load + around, 0.5),
        "glass": Range.about(scale * last.seconds_before * team.turns / team.sharing),
        "records": Range.about(scale * last.seconds_a_record * n_records / team.sharing),
    }


def _memory(trials: Trials, team: Team, tables: int) -> dict[str, int]:
    """Return the bytes of a node; of the one with rank 0, which has the tables."""
    here, program = ceil(team.ranks / team.nodes), trials.program
    of_ranks = here * (program.own + (BYTES_OF_MPI if team.ranks > 1 else 0))
    lattices = trials.lattice_bytes * team.groups // team.nodes
    return {"programs": of_ranks + program.of_files, "lattices": lattices, "tables": tables}

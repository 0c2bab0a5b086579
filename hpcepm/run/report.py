"""Text printed at the start and end of a run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcepm.analysis import summarize
from hpcepm.analysis.results import open_run
from hpcepm.faults import NoRun
from hpcepm.input.clock import times_of
from hpcepm.input.output import CadenceInput
from hpcepm.input.schema import Input
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.ending import sure_to_end
from hpcepm.model.glass import Glass, age, disorder_strength
from hpcepm.model.loading import Cycles, Loading, Path, Sine, Strain
from hpcepm.model.thresholds import preset
from hpcepm.model.yielding.rule import Yielding
from hpcepm.schedule import travelled
from hpcepm.text import count, duration, memory

from . import sharing
from .journal import FAILED, FINISHED, STOPPED
from .pace import Pace
from .provenance import SHOWN
from .standing import Standing, of_realizations, seconds_left, took
from .stopping import Stopped
from .terminal import Progress
from .warnings import threshold_files, warnings_of

if TYPE_CHECKING:
    from .run import Run


def header(run: "Run") -> list[str]:
    """Return what a user should know of a run before it starts. On rank 0."""
    settings, glass, plan = run.settings, run.glass, run.plan
    named = {name.removesuffix("_version").replace("_", " "): run.versions[name] for name in SHOWN}
    named["git commit"] = named["git commit"][:10]
    died = run.directory.taken_over if run.directory else None
    return [
        f"hpcepm {named.pop('hpcepm')}: {_size(run)}",
        f"  glass     thresholds {told(settings.thresholds.initial)}",
        f"            renewed    {told(settings.thresholds.renewal)}",
        f"            slip       {told(settings.slip)}",
        f"            disorder strength s = {disorder_strength(glass):.3f}, "
        f"age r = {age(run.mean_initial, glass.renewal):.3f}",
        f"  kernel    {told(settings.kernel)}; "
        f"μ = {glass.shear_modulus:g}, μ* = {glass.kernel.mu_star:.4g}",
        *(f"  file      {file}" for file in threshold_files(run.read)),
        *_prescribed(settings),
        *_yielding(glass, plan.shape),
        f"  engine    {run.choice.engine}: {run.choice.why}",
        *([f"  clock     {told(settings.clock)}"] if settings.clock else []),
        f"  loading   {'' if settings.clock else 'quasi-static '}{_way(settings.loading)}; "
        f"{_saved(run)}; seed {settings.seed}",
        *_output(run),
        *_time(run),
        *([f"            taken over from a run that died: {died}"] if died else []),
        "  software  " + ", ".join(f"{name} {value}" for name, value in named.items()),
        *_resumed(run),
        "",
    ]


def told(section: Any) -> str:
    """Return a section of the input, or a preset, as in ``weibull(shape 2.5, scale 1.1)``."""
    if isinstance(section, str):
        return f"{section}, {told(preset(section))}"
    values = {field.name: getattr(section, field.name) for field in fields(section)}
    shown = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if isinstance(value, str | int | float)
    ]
    return f"{type(section).__name__.lower()}({', '.join(shown)})"


def _prescribed(settings: Input) -> list[str]:
    """Say what is prescribed site by site, if anything is."""
    some = [str(one) for one in settings.regions or ()][:8]
    more = ["…"] if len(settings.regions or ()) > len(some) else []
    lines = [f"  regions   {'; '.join([*some, *more])}"] if some else []
    if settings.initial_plastic_strain:
        lines.append(f"  strain    plastic at the start, of {settings.initial_plastic_strain}")
    return lines


def _yielding(glass: Glass, shape: tuple[int, int]) -> list[str]:
    """Say by which rule sites yield, if not by that of the paper; and whether avalanches end."""
    rule = glass.yielding
    if rule == Yielding():
        return []
    changes = [
        *([f"memory {rule.memory:g}"] if rule.memory else []),
        *([told(rule.damage)] if rule.damage else []),
    ]
    said = ", ".join([f"{rule.sides} sides", rule.landscape, f"{rule.order} order", *changes])
    lines = [f"  yielding  {said.replace('one sides', 'one side')}"]
    if not sure_to_end(glass, shape):
        lines.append(
            "            avalanches are not sure to end (slips are large against thresholds): more "
            f"than {rule.most_events_per_site} events at a site in one are an error"
        )
    return lines


def _saved(run: "Run") -> str:
    """Say how many records and snapshots there will be, or how often."""
    plan, output = run.plan, run.settings.output
    if not plan.counted:
        return f"{len(plan.records)} records, {len(plan.snapshots)} snapshots"
    often = [f"a record {_often(output.observables)}"]
    if output.fields:
        often.append(f"a snapshot {_often(output.fields)}")
    return ", ".join(often).replace("_", " ")


def _often(cadence: CadenceInput) -> str:
    """Say how often something is kept, of which no number is known beforehand."""
    if cadence.per_decade is not None:
        each = f"at {cadence.per_decade} times" if cadence.per_decade > 1 else "once"
        return f"{each} per decade of time, from {cadence.first:g} on"
    return f"each {cadence.every or 0:g} of {cadence.of}"


def _way(loading: Loading) -> str:
    """Say where the load goes, and how fast."""
    if isinstance(loading, Cycles):
        said = f"in {loading.cycles} cycles of strain {_listed(loading.cycle)}"
    elif isinstance(loading, Path):
        said = "to " + _listed([_named(one) for one in loading.parts])
    elif isinstance(loading, Sine):
        times = f"{loading.cycles} times, {loading.frequency:g} a unit of time"
        said = f"to {loading.control} ±{loading.amplitude:g} in a sine, {times}"
    elif isinstance(loading, Strain):
        said = f"to strain ε = {loading.target:g} (γ = {2 * loading.target:g}){_pace(loading)}"
    else:
        said = f"to {_named(loading)}"
    return f"{said}{_until(loading)}"


def _named(loading: Loading) -> str:
    """Say which load goes where."""
    if loading.target == np.inf:
        return f"the weakest site, {type(loading).__name__.lower()}"
    return f"{type(loading).__name__.lower()} {loading.target:g}{_pace(loading)}"


def _pace(loading: Loading) -> str:
    """Say how fast a load moves, and for how long it stays, in time."""
    rate = f" at {loading.rate:g} per unit of time" if loading.rate else ""
    return f"{rate}{f', held for {loading.hold:g}' if loading.hold else ''}"


def _until(loading: Loading) -> str:
    """Say which rules end a loading before."""
    rules = {f.name: getattr(loading.until, f.name) for f in fields(loading.until)}
    said = [
        name if value is True else f"{name} {value:g}"
        for name, value in rules.items()
        if value is not None and value is not False
    ]
    return f", until {' or '.join(said)}".replace("_", " ") if said else ""


def _listed(turns: Sequence[Any]) -> str:
    some = [turn if isinstance(turn, str) else f"{turn:g}" for turn in turns[:8]]
    return " → ".join(some + ["…"] * (len(turns) > 8))


def _size(run: "Run") -> str:
    (nx, ny), ranks, to_a_node = run.plan.shape, run.world.size, run.world.node.size
    nodes = f" ({to_a_node} to a machine)" if to_a_node < ranks else ""
    working = run.groups.n_ranks
    of_all = f"{working} of {ranks}" if working < ranks else f"{ranks}"
    sites = f"{nx} × {ny} sites on {of_all} rank{'s' if ranks > 1 else ''}{nodes}"
    rows = sorted({min(run.lattice.rows_of), max(run.lattice.rows_of)})
    room = f"{' to '.join(map(str, rows))} rows each, {memory(run.runner.dynamics.nbytes)} a rank"
    n, groups = run.settings.realizations, run.groups.n_working
    if n == 1:
        return f"{sites}, {room}"
    return f"{n} realizations of {sites}, {run.group.size} for each of {groups} at a time, {room}"


def _output(run: "Run") -> list[str]:
    """Say where results go, and which machines write them."""
    if run.path is None or run.writers is None:
        return ["  output    in memory"]
    _, machines, all_write, kind = run.writers
    if machines == 1:
        return [f"  output    {run.path}, on {kind}"]
    said = "all machines write at once"
    if not all_write:
        said = "machines may see old bytes there, so that of rank 0 writes for all"
    return [f"  output    {run.path}, on {kind}: {said}"]


def _time(run: "Run") -> list[str]:
    """Say what was understood of the time that the run has, if it has an end."""
    limits = run.manager.deadline.limits if run.manager and run.manager.deadline else []
    return [f"  time      stops to end {' and '.join(limits)}"] if limits else []


def _resumed(run: "Run") -> list[str]:
    resume = run.resume
    n = resume.start.progress.realizations
    said = [f"  goes on after {n} realizations"] if n else []
    if resume.header is not None and resume.strain is not None:
        of = "strain" if run.settings.loading.is_strain else "load"
        said.append(f"  goes on from {of} {resume.strain:.6f} ({resume.header.path.name})")
    return said


def ending(run: "Run", kept: bool) -> tuple[str | None, str]:
    """Return why a run failed, or that it was stopped and by whom. On rank 0.

    ``kept`` says whether a checkpoint was written.
    """
    if run.manager is None or run.store is None:
        return None, ""
    n, dynamics = run.settings.realizations, run.runner.dynamics
    strain = dynamics.strain_at(float(dynamics.state.macro[0]["load"]))
    done = run.store.n_done
    when = f"time {dynamics.timing.now:.6g}, " if run.plan.clock else ""
    where = f"at {when}strain {strain:.6f}" if n == 1 else f"after {done} of {n} realizations"
    if run.path is None:
        what = "nothing is kept of it"
    elif kept:
        what = "a checkpoint was written, --continue goes on from it"
    else:
        said = "no checkpoint was written, --continue goes on from the last one"
        what = f"asked twice; {said}"
    return run.manager.problem, f"stopped {where} by {run.manager.asked_by}; {what}"


@contextmanager
def told_of(run: "Run") -> Iterator[None]:
    """Tell of a run: what it is, how it ended, and what it came to. On rank 0; else nothing."""
    progress = run.progress
    if progress is None:
        yield
        return
    of_input = warnings_of(run.read)
    progress.warn([*run.resume.warnings, *of_input, *too_many_ranks(run)])
    progress.say(header(run))
    if progress.journal:
        progress.journal.begin(run.world.size)
        run.watchdog.journal = progress.journal
    progress.pace.start()
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, (Stopped, GeneratorExit, KeyboardInterrupt))
        _end(run, progress, STOPPED if stopped else FAILED, str(error) or type(error).__name__)
        raise
    _end(run, progress, FINISHED, "")


def _end(run: "Run", progress: Progress, state: str, said: str) -> None:
    pace = progress.pace
    pace.end()
    progress.close()
    if state == FINISHED:
        progress.say(summary(run, pace))
    if progress.journal:
        last = standing(run, progress)
        progress.journal.end(state, said, pace.seconds, pace.compiling, last)


def summary(run: "Run", pace: Pace) -> list[str]:
    """Return what a run came to, and how fast. On rank 0."""
    n, macro = run.settings.realizations, run.runner.dynamics.state.macro[0]
    compiling = f" (compiling took {duration(pace.compiling)} more)" if pace.compiling > 1 else ""
    after = f"{took(pace.seconds)}{compiling}"
    if n > 1:
        sheared = n - run.resume.start.progress.realizations
        said = f"sheared {sheared} realizations in {after}"
        return [said, *_means(run), f"  results   {run.path}"]
    dynamics, loading = run.runner.dynamics, run.settings.loading
    events, counted = int(macro["events"]), run.plan.counted
    rate = count((events - run.events_before) / pace.seconds)
    load = run.runner.reached if counted else loading.target
    where = f"strain {dynamics.strain_at(load):.6g}" if counted else f"strain {load:g}"
    when = f"time {dynamics.timing.reached:.6g}, " if run.plan.clock else ""
    why = f", ended by {run.store.ended_by}" if counted and run.store else ""
    return [
        f"reached {when}{where} after {after}{why}: stress {dynamics.stress_at(load):.4f}, "
        f"{count(events)} events ({rate}/s) in {count(int(macro['avalanches']))} avalanches",
        *([f"  results   {run.path / 'run.h5'}"] if run.path else []),
    ]


def _means(run: "Run") -> list[str]:
    """Say what realizations come to in the mean: the plateau and the peak, or where they end."""
    if run.path is None:
        return []
    try:
        with open_run(run.path, "observables") as results:
            found = summarize.summary(results)
    except (NoRun, OSError) as error:
        return [f"  means     none: {error}"]
    return summarize.means(found)


def show(run: "Run") -> None:
    """Show where a run is, if it is time to. On rank 0."""
    progress = run.progress
    if progress is not None and progress.due and (now := standing(run, progress)) is not None:
        progress.show(now)


def standing(run: "Run", progress: Progress) -> Standing | None:
    """Return how far a run has come; None if there is nothing to say yet. On rank 0."""
    n, seconds = run.settings.realizations, progress.pace.seconds
    if run.store is None:
        return None
    if n > 1:
        begun_with, done = run.resume.start.progress.realizations, run.store.n_done
        return of_realizations(begun_with, done, n, seconds)
    if not run.shearing:
        return None
    macro, dynamics = run.runner.dynamics.state.macro[0], run.runner.dynamics
    load, events = float(macro["load"]), int(macro["events"])
    if run.store.finished:
        load = run.runner.reached if run.plan.counted else run.settings.loading.target
    fraction = _fraction(dynamics)
    if progress.first is None:
        progress.first = fraction if run.resume.header else 0.0
    left = seconds_left(fraction - progress.first, 1.0 - fraction, seconds)
    return Standing(
        fraction,
        (events - run.events_before) / seconds,
        left,
        dynamics.strain_at(load),
        progress.target,
        dynamics.stress_at(load),
        events,
        int(macro["steps"]),
        time=dynamics.timing.now if run.plan.clock else None,
    )


def _fraction(dynamics: Dynamics) -> float:
    """Return which part of the way a loading has gone, by its load or by a rule."""
    macro, loading, segment = dynamics.state.macro[0], dynamics.loading, dynamics.segment
    load, turns = float(macro.load), loading.turns
    if dynamics.timing.clock is not None:
        return _fraction_in_time(dynamics)
    if loading.is_strain and not loading.until.any:
        return travelled([*turns[: macro.segment], load]) / travelled(turns)
    rules, n_sites = loading.rules(int(macro.segment)), dynamics.lattice.n_sites
    goals = (
        (rules.strain, dynamics.strain_at(load)),
        (rules.plastic_strain, dynamics.state.plastic_strain(dynamics.lattice)),
        (rules.events_per_site, int(macro.events - macro.events_begun) / n_sites),
    )
    gone = [abs(now) / goal for goal, now in goals if goal is not None]
    if segment.target and np.isfinite(segment.target):
        gone.append(load / segment.target)
    return (macro.segment + min(max([0.0, *gone]), 1.0)) / len(turns)


def _fraction_in_time(dynamics: Dynamics) -> float:
    """Return which part of the way a loading has gone, by its time.

    A load that is held counts by the logarithm: events of a glass that rests or creeps get rare.
    """
    timing, number = dynamics.timing, int(dynamics.state.macro[0].segment)
    rules, times = dynamics.loading.rules(number), times_of(dynamics.loading)
    gone, whole = max(0.0, timing.now - timing.begun), times[number]
    if rules.time is not None:
        whole = min(whole or np.inf, max(0.0, rules.time - timing.begun))
    if whole and dynamics.segment.hold and not isinstance(dynamics.segment, Sine):
        gone, whole = np.log1p(gone / timing.unit), np.log1p(whole / timing.unit)
    part = min(gone / whole, 1.0) if whole else 0.0
    return float((number + part) / len(times))


def too_many_ranks(run: "Run") -> list[str]:
    """Return what a user should know of the number of ranks. On rank 0."""
    groups, nodes = run.groups, run.group.exchange.messages.size
    idle = run.world.size - groups.n_ranks
    engine, size, shape = run.choice.engine, run.group.size, run.plan.shape
    return sharing.warnings(size, idle, groups.crowded, shape, engine, nodes, run.plan.clock)

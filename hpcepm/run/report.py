"""Text printed at the start and end of a run."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hpcepm.model.distributions import preset
from hpcepm.model.ending import sure_to_end
from hpcepm.model.glass import Glass, age, disorder_strength
from hpcepm.model.loading import Cycles, Loading
from hpcepm.model.yielding.rule import Yielding
from hpcepm.text import count, duration, memory

from . import sharing
from .provenance import SHOWN

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
        *_yielding(glass, plan.shape),
        f"  engine    {run.choice.engine}: {run.choice.why}",
        f"  loading   quasi-static {_path(settings.loading)}; "
        f"{len(plan.record_strains)} records, {len(plan.snapshot_strains)} snapshots; "
        f"seed {settings.seed}",
        *_output(run),
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


def _path(loading: Loading) -> str:
    """Say where the load goes."""
    if isinstance(loading, Cycles):
        return f"in {loading.cycles} cycles of strain {_listed(loading.cycle)}"
    if len(loading.turns) > 1:
        return f"to strain {_listed(loading.turns)}"
    return f"to strain ε = {loading.target:g} (γ = {2 * loading.target:g})"


def _listed(strains: Sequence[float]) -> str:
    some = [f"{strain:g}" for strain in strains[:8]] + ["…"] * (len(strains) > 8)
    return " → ".join(some)


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


def _resumed(run: "Run") -> list[str]:
    resume = run.resume
    n = resume.start.progress.realizations
    said = [f"  goes on after {n} realizations"] if n else []
    if resume.header is not None and resume.strain is not None:
        said.append(f"  goes on from strain {resume.strain:.6f} ({resume.header.path.name})")
    return said


def summary(run: "Run", seconds: float) -> list[str]:
    """Return what a run came to, after so many seconds. On rank 0."""
    n, macro = run.settings.realizations, run.runner.dynamics.state.macro[0]
    if n > 1:
        sheared = n - run.resume.start.progress.realizations
        return [f"sheared {sheared} realizations in {duration(seconds)}", f"  results   {run.path}"]
    target = run.settings.loading.target
    events = int(macro["events"])
    rate = count((events - run.events_before) / max(seconds, 1e-9))
    stress = run.runner.dynamics.stress_at(target)
    return [
        f"reached strain {target:g} after {duration(seconds)}: stress {stress:.4f}, "
        f"{count(events)} events ({rate}/s) in {count(int(macro['avalanches']))} avalanches",
        *([f"  results   {run.path / 'run.h5'}"] if run.path else []),
    ]


def show(run: "Run") -> None:
    """Show where a run is. On rank 0."""
    if run.progress is None or run.store is None:
        return
    n = run.settings.realizations
    if n > 1:
        begun_with = run.resume.start.progress.realizations
        run.progress.realizations(begun_with, run.store.n_done, n)
    elif run.shearing:
        macro, dynamics = run.runner.dynamics.state.macro[0], run.runner.dynamics
        strain = float(macro["load"])
        counts = int(macro["events"]), int(macro["steps"])
        turns = dynamics.loading.turns
        gone = dynamics.loading.travelled(int(macro["segment"]), strain)
        travelled = gone if len(turns) > 1 else None
        run.progress.update(strain, dynamics.stress_at(strain), *counts, travelled=travelled)


def too_many_ranks(run: "Run") -> list[str]:
    """Return what a user should know of the number of ranks. On rank 0."""
    groups, nodes = run.groups, run.group.exchange.messages.size
    idle = run.world.size - groups.n_ranks
    engine = run.choice.engine
    return sharing.warnings(run.group.size, idle, groups.crowded, run.plan.shape, engine, nodes)

"""What a user reads before and after a run."""

from typing import TYPE_CHECKING

from hpcepm.model.disorder import Distribution, age, disorder_strength
from hpcepm.text import count, duration, memory

from .save_points import schedule

if TYPE_CHECKING:
    from .ensemble import Ensemble
    from .simulation import Simulation


def header(run: "Simulation") -> list[str]:
    """Return what a user should know of a run before it starts. On rank 0."""
    assert run.directory is not None
    lattice = run.lattice
    rows = (
        f"{min(lattice.rows_of)} to {max(lattice.rows_of)}"
        if len(set(lattice.rows_of)) > 1
        else lattice.rows_of[0]
    )
    size = f"{_sites(run)}, {rows} rows each, {memory(run.dynamics.nbytes)} a rank"
    went_on = (
        [f"  goes on from strain {run.taken_up.strain:.6f} ({run.taken_up.path.name})"]
        if run.taken_up
        else []
    )
    return _header(run, size, went_on)


def ensemble_header(run: "Ensemble") -> list[str]:
    """Return what a user should know of an ensemble before it starts. On rank 0."""
    per_group, groups = run.group.size, len(run.leaders)
    size = f"{run.settings.realizations} realizations of {_sites(run)}, {per_group} for each of {groups} at a time"
    went_on = [f"  goes on after {run.begun_with} realizations"] if run.begun_with else []
    return _header(run, size, went_on)


def _sites(run: "Simulation | Ensemble") -> str:
    (nx, ny), ranks, to_a_machine = run.lattice.shape, run.ranks.size, run.ranks.node.size
    machines = f" ({to_a_machine} to a machine)" if to_a_machine < ranks else ""
    return f"{nx} × {ny} sites on {ranks} rank{'s' if ranks > 1 else ''}{machines}"


def _header(run: "Simulation | Ensemble", size: str, went_on: list[str]) -> list[str]:
    assert run.directory is not None
    settings, glass = run.settings, run.glass
    initial = (
        glass.initial.label
        if isinstance(glass.initial, Distribution)
        else f"field({settings.thresholds.initial.file})"
    )
    slip = settings.slip
    target = settings.loading.target
    stops = schedule(settings)
    named = {
        name.removesuffix("_version").replace("_", " "): value
        for name, value in run.versions.items()
    }
    named["git commit"] = named["git commit"][:10]
    elastic = f"μ = {glass.shear_modulus:g}, μ* = {glass.kernel.mu_star:.4g}"
    return [
        f"hpcepm {named.pop('hpcepm')}: {size}",
        f"  glass     thresholds {initial}",
        f"            renewed    {glass.renewal.label}",
        f"            slip       {slip.distribution}, mean {slip.c0:g} + {slip.c1:g} σ_c²",
        f"            disorder strength s = {disorder_strength(glass.renewal, glass.slip, glass.kernel.mu_star):.3f}, "
        f"age r = {age(run.mean_initial, glass.renewal):.3f}",
        f"  kernel    {glass.kernel.type}, {glass.kernel.orientation} shear; {elastic}",
        f"  engine    {run.choice.engine}: {run.choice.why}",
        f"  loading   quasi-static to strain ε = {target:g} (γ = {2 * target:g}); {sum(s.record for s in stops)} records, "
        f"{sum(s.snapshot for s in stops)} snapshots; seed {settings.seed}",
        f"  output    {settings.output.directory}",
        *(
            [f"            taken over from a run that died: {run.directory.taken_over}"]
            if run.directory.taken_over
            else []
        ),
        "  software  " + ", ".join(f"{name} {value}" for name, value in named.items()),
        *went_on,
        "",
    ]


def summary(run: "Simulation", seconds: float, events_before: int) -> list[str]:
    """Return what a run came to, after so many seconds; it began with so many events. On rank 0."""
    assert run.directory is not None
    now = run.dynamics.state.macro[0]
    target = run.settings.loading.target
    rate = (int(now["events"]) - events_before) / max(seconds, 1e-9)
    return [
        f"reached strain {target:g} after {duration(seconds)}: stress {run.dynamics.stress_at(target):.4f}, "
        f"{count(int(now['events']))} events ({count(rate)}/s) in {count(int(now['avalanches']))} avalanches",
        f"  results   {run.directory.run_file}",
    ]

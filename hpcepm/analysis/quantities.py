"""The numbers that a run comes to: what ``compare`` compares, and ``summarize`` begins with."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.faults import NoRun
from hpcepm.layout import PACKED, PIECE_NAME, SAME_STRAIN, STRESS_UNIT, TIME_UNIT
from hpcepm.reading import BadFile, open_hdf5, own_names

from .ensembles import Ensemble, goes_backward, over_strain
from .missing import run_file_of
from .protocol import (
    controls,
    ended_cycles,
    has_two_sides,
    is_cyclic,
    is_extremal,
    is_oscillation,
    is_under_stress,
    segments,
    turns_back,
)
from .results import Results, open_run
from .statistics import (
    BLOCKS,
    SAME_LEVEL,
    Estimate,
    Floats,
    Plateau,
    estimate_peak,
    find_plateau,
    interpolate,
    mean,
    plateau_window,
    ratio,
)

EARLY: Final = 0.005
"""The strain to which the modulus is a secant."""

UNKNOWN: Final = Estimate(np.nan, np.nan)


GROUPS: Final = ("observables", "avalanches", "cycles")
"""What of a run is read for them."""


def open_for_numbers(path: str) -> AbstractContextManager[Results]:
    """Open a run, all of it that is needed; of a ``run.h5`` copied alone what lies in it.

    Raises
    ------
    NoRun
        As `open_run`.
    """
    file = run_file_of(path)
    alone = not own_names(file.parent / "pieces", PIECE_NAME) and not _is_packed(file)
    return open_run(path, *(GROUPS[:1] if alone else GROUPS))


def _is_packed(path: Path) -> bool:
    """Return whether a file holds its tables itself; of what is no run, `open_run` tells."""
    with suppress(BadFile), open_hdf5(path) as file:
        return PACKED in file.attrs
    return False


CUT: Final = "not known of a run between two strains"
"""Why a part of a run lacks a number that its beginning or its end is needed for."""


class Quantity(NamedTuple):
    """A number of a run."""

    name: str
    unit: str  # empty: none
    value: Estimate
    freedom: int  # degrees of freedom of the error
    note: str = ""  # where it was taken; or why there is none, if it is NaN
    window: tuple[float, float] | None = None  # of strain or time, if it depends on this
    is_bound: bool = False  # whether the error is at least this, and so tests nothing

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return bool(np.isfinite(self.value.value))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"unit": self.unit, **estimate_as_json(self.value), "note": self.note}


def estimate_as_json(one: Estimate) -> dict[str, float | None]:
    """Return a number and its error; null where there is none."""
    pairs = zip(("value", "error"), one, strict=True)
    return {name: float(number) if np.isfinite(number) else None for name, number in pairs}


def end_of(run: Results) -> float | None:
    """Return the strain that all realizations have come to, on the first way of the load.

    None if stress is no function of strain.
    """
    over = over_strain(run, "stress")
    return None if over is None else float(over.x[-1])


def window_of(run: Results, over: Ensemble) -> tuple[float, float]:
    """Return between which strains a plateau is looked for: that of `plateau_window`.

    Of a part of a run, which may begin later, what there is of it; else all of the part.
    """
    first, last = float(over.x[0]), float(over.x[-1])
    low, high = plateau_window(last)
    if not run.is_cut or first <= low:
        return low, high
    return first, high if first < high else last


def check_window(run: Results, window: tuple[float, float] | None) -> None:
    """Refuse a window that a run has not come to.

    Raises
    ------
    NoRun
        It has not; or its load turns, or its strain jumps, so that there is no window.
    """
    if window is None:
        return
    if (over := over_strain(run, "stress")) is None:
        raise NoRun(f"{run.called}: its stress is no function of strain, so it has no window")
    asked = f"{run.called}: the window {window[0]:g}:{window[1]:g}"
    if window[1] > (end := float(over.x[-1])) + SAME_STRAIN:
        said = f"goes beyond strain {end:g}, to which all realizations have come"
        raise NoRun(f"{asked} {said}")
    if run.is_cut and window[0] < (begin := float(over.x[0])) - SAME_STRAIN:
        raise NoRun(f"{asked} begins before strain {begin:g}, where this part of a run does")


def quantities(
    run: Results, window: tuple[float, float] | None = None, at: float | None = None
) -> list[Quantity]:
    """Return the numbers of a run.

    Parameters
    ----------
    run
        Any.
    window
        Of strain, for the plateau and the avalanches; None: that of `plateau_window`.
    at
        The strain at which states are compared; None: where the run ends.
    """
    over = over_strain(run, "stress")
    found: list[Quantity] = []
    if over is not None:
        window = window or window_of(run, over)
        found += _of_curve(run, over, window)
        found += _at(run, float(over.x[-1]) if at is None else at)
        found += _of_avalanches(run, window)
    elif is_extremal(run):
        found.append(_highest(run))
    if run.has_clock:
        found += _of_time(run)
    if run.has("cycles") and is_cyclic(run):
        found += _of_cycles(run)
    if run.has("cycles") and is_oscillation(run):
        found += _of_oscillation(run)
    return found


def _mean(name: str, unit: str, values: Floats, note: str = "") -> Quantity:
    """Return a quantity that each realization has."""
    return Quantity(name, unit, mean(values), values.size - 1, note)


def _of_curve(run: Results, over: Ensemble, window: tuple[float, float]) -> Iterator[Quantity]:
    """Yield what the curve of stress tells: of a stress that is steered, how stiff the glass is."""
    if not is_under_stress(run):
        yield from _of_flow(run, over, window)
    if run.is_cut:
        yield Quantity("shear modulus", STRESS_UNIT, UNKNOWN, 0, CUT)
        return
    until = min(max(EARLY, float(over.x[1])), float(over.x[-1]))
    ends = interpolate(over.x, over.values, np.array([over.x[0], until]))
    modulus = (ends[:, 1] - ends[:, 0]) / (2 * (until - over.x[0]))
    yield _mean("shear modulus", STRESS_UNIT, modulus, f"secant to strain {until:g}")


def _of_flow(run: Results, over: Ensemble, window: tuple[float, float]) -> Iterator[Quantity]:
    """Yield what the stress comes to, and how high it was before."""
    n, level = run.realizations, find_plateau(*over, window)
    where = "{:g} < strain < {:g}".format(*level.window)
    blocks = f"; error at least, from {BLOCKS} parts of it: there is one realization"
    where += blocks if n == 1 else ""
    value, note = (level.value, where) if level.is_stationary else (UNKNOWN, level.why_not)
    note += ", before the load turns" if turns_back(run) else ""
    note += ", along the load, which goes backward" if goes_backward(run) else ""
    yield Quantity("plateau", STRESS_UNIT, value, level.freedom, note, is_bound=n == 1)
    if run.is_cut:
        for name in ("peak stress", "peak strain"):
            yield Quantity(name, "", UNKNOWN, 0, CUT)
        return
    top, none = estimate_peak(*over), ""
    if top is None:
        none = "none: the mean stress is highest at the first or the last record, or does not fall"
    elif level.is_stationary and not stands_out(*top, level):
        top, none = None, "none: before the plateau no record is higher"
    height, strain = top or (UNKNOWN, UNKNOWN)
    yield Quantity("peak stress", STRESS_UNIT, height, n - 1, none)
    yield Quantity("peak strain", "", strain, n - 1, none)


def stands_out(height: Estimate, strain: Estimate, level: Plateau) -> bool:
    """Whether a peak lies before a plateau, and higher."""
    higher = height.value > level.value.value * (1 + SAME_LEVEL)
    return higher and strain.value < level.window[0]


def _at(run: Results, at: float) -> Iterator[Quantity]:
    """Yield the state at a strain."""
    for name, called, unit in (
        ("localization", "localization", ""),
        ("threshold_mean", "mean threshold", STRESS_UNIT),
        ("events", "events", ""),
    ):
        over = over_strain(run, name)
        if over is not None:
            values = interpolate(over.x, over.values, np.array([at]))[:, 0]
            side = ", forward" if name == "threshold_mean" and has_two_sides(run) else ""
            yield _mean(called, unit, values, f"at strain {at:g}{side}")


def _of_avalanches(run: Results, window: tuple[float, float]) -> Iterator[Quantity]:
    """Yield the mean size of avalanches in a window of strain."""
    name = "mean avalanche S"
    if "avalanches" not in run.file:
        return
    if not run.has("avalanches"):
        yield Quantity(name, "", UNKNOWN, 0, "their table lies in pieces/, which is not here")
        return
    table, n = run.file["avalanches"], run.realizations
    strain, of = np.abs(table["strain"][()]), table["realization"][()]
    inside = (strain >= window[0]) & (strain <= window[1]) & (of >= 0) & (of < n)
    inside &= _before_the_turn(of, strain)
    of, slip = of[inside], np.abs(table["slip"][()][inside])
    sums, counts = np.bincount(of, slip, n), np.bincount(of, minlength=n).astype(np.float64)
    note = "of {}, {:g} < strain < {:g}".format(slip.size, *window)
    if slip.size < 2 or (counts == 0).any():
        yield Quantity(name, "", UNKNOWN, 0, f"too few avalanches, {note}")
    elif n == 1:
        error = float(slip.std(ddof=1) / np.sqrt(slip.size))
        value = Estimate(float(slip.mean()), error)
        yield Quantity(name, "", value, slip.size - 1, note, window)
    else:
        value = ratio(np.asarray(sums, np.float64), counts)
        yield Quantity(name, "", value, n - 1, note, window)


def _before_the_turn(realization: NDArray[np.int32], strain: Floats) -> NDArray[np.bool_]:
    """Return which avalanches lie before the load turns; the table is in order of realizations."""
    same = np.diff(realization) == 0
    first = np.concatenate([[True], ~same])[: strain.size]
    falls = np.concatenate([[0], same & (np.diff(strain) < 0)])[: strain.size].cumsum()
    begin = np.maximum.accumulate(np.where(first, np.arange(strain.size), 0))
    return np.asarray(falls == falls[begin])


def _highest(run: Results) -> Quantity:
    """Return the highest stress of extremal dynamics: of all events, if their table is there."""
    tops = np.array([values.max() for _, values in run.curves("stress")], np.float64)
    of_all = run.has("avalanches")
    if of_all:
        table = run.file["avalanches"]
        of, stress = table["realization"][()], table["stress"][()]
        known = (of >= 0) & (of < tops.size)
        np.maximum.at(tops, of[known], stress[known])
    where = "of all events" if of_all else "of the records"
    where += " of this part" if run.is_cut else ""
    return _mean("highest stress", STRESS_UNIT, tops, where)


def susceptibility(run: Results) -> tuple[Floats, Floats] | None:
    """Return times and χ₄, N² times the variance of the persistence over realizations.

    As far as all realizations have records at the same times; None if there are no two of them.
    """
    n, times = min(map(run.records_of, range(run.realizations)), default=0), run.times
    same = (times[:, :n] == times[0, :n]).all(axis=0)
    n = int(np.argmin(same)) if not same.all() else n
    if run.realizations < 2 or n < 2:
        return None
    variance = run.observable("persistence")[:, :n].var(axis=0, ddof=1)
    return times[0, :n], run.shape[0] * run.shape[1] * variance


def _of_time(run: Results) -> Iterator[Quantity]:
    """Yield when realizations ended, how they flow then, and when half of the sites had yielded."""
    curves = zip(run.times, run.curves("persistence"), run.curves("events"), strict=True)
    every = [(t[: e.size], e, p, n[-1]) for t, (e, p), (_, n) in curves]
    time = _mean("time", TIME_UNIT, np.array([t[-1] for t, *_ in every]), "where it ends")
    until = 0.0, float(time.value.value)
    events = _mean(
        "events in all", "", np.array([n for *_, n in every], np.float64), "at this time"
    )
    yield from (time, events._replace(window=until))
    if run.is_cut:
        units = {"strain rate": f"1/{TIME_UNIT}", "half-life": TIME_UNIT}
        for name, unit in units.items():
            yield Quantity(name, unit, UNKNOWN, 0, CUT)
        return
    if controls(run) != {"strain"}:
        yield _final_rate(every)._replace(window=until)
    halves = np.array([_half(t, p) for t, _, p, _ in every])
    where = " in the first segment" if len(segments(run)) > 1 else ""
    name, note = "half-life", f"time by which half of the sites had yielded{where}"
    if np.isfinite(halves).all():
        yield _mean(name, TIME_UNIT, halves, note)
    else:
        left = int((~np.isfinite(halves)).sum())
        said = f"half of the sites have not yielded{where} in {left} of {halves.size} realizations"
        yield Quantity(name, TIME_UNIT, UNKNOWN, 0, said)
    if (found := susceptibility(run)) is not None:
        top = int(np.argmax(found[1]))
        at = f"χ₄ = N² var(persistence), its highest, at time {found[0][top]:g}"
        yield Quantity("heterogeneity", "", Estimate(float(found[1][top]), np.nan), 0, at)


def _final_rate(every: Sequence[tuple[Floats, Floats, Floats, Any]]) -> Quantity:
    """Return how fast the strain grows at last; ``every`` has times and strains first."""
    rates = [(e[-1] - np.interp(t[-1] / 2, t, e)) / (t[-1] / 2 or np.nan) for t, e, *_ in every]
    note = "in the second half of this time"
    return _mean("strain rate", f"1/{TIME_UNIT}", np.array(rates), note)


def _half(time: Floats, persistence: Floats) -> float:
    """Return when half of the sites had yielded, on a straight line between records; or NaN.

    In the first segment of the loading: where it rises, persistence begins anew with another.
    """
    rises = np.diff(persistence) > 0
    persistence = persistence[: int(np.argmax(rises)) + 1 if rises.any() else None]
    k = int(np.argmax(persistence <= 0.5))
    if persistence[k] > 0.5:
        return np.nan
    if k == 0:  # in an avalanche of the preparation
        return float(time[0])
    part = (persistence[k - 1] - 0.5) / (persistence[k - 1] - persistence[k])
    return float(time[k - 1] + part * (time[k] - time[k - 1]))


MODULI: Final = ("storage_modulus", "loss_modulus")


def last_moduli(run: Results) -> Floats:
    """Return the moduli of the last cycle of realizations in which one has ended.

    Shape (2, realization), in units of stress: over ε for a sine, over γ = 2ε for cycles.
    """
    if not (run.has("cycles") and (is_cyclic(run) or is_oscillation(run))):
        return np.zeros((2, 0))
    every = ended_cycles(run)
    return np.array([[one[name][-1] for one in every] for name in MODULI])


def _of_oscillation(run: Results) -> Iterator[Quantity]:
    """Yield the moduli of the last cycle of a sine, of realizations in which one has ended."""
    for name, values in zip(MODULI, last_moduli(run), strict=True):
        note = "of the last cycle, Σ over ε: 2μ and 0 if elastic"
        yield _mean(name.replace("_", " "), STRESS_UNIT, values, note)


def _of_cycles(run: Results) -> Iterator[Quantity]:
    """Yield what the last cycles were, and how a glass came back."""
    every = ended_cycles(run)
    named = {"work": "work", **{name: f"{name.replace('_', ' ')} over γ" for name in MODULI}}
    for name, called in named.items():
        values = np.array([one[name][-1] for one in every])
        note = "of the last cycle" + ", γ = 2ε: μ and 0 if elastic" * (name in MODULI)
        yield _mean(called, STRESS_UNIT, values, note)
    back = [one for one in every if one["period"][-1] > 0]
    note = f"of {len(back)} of {len(every)} that came back"
    for name in ("transient", "period"):
        values = np.array([one[name][-1] for one in back], np.float64)
        what = Quantity(name, "", UNKNOWN, 0, "has not come back yet")
        yield _mean(name, "", values, note) if back else what

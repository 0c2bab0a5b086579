"""What comes due on the way, where it is not known beforehand: records, snapshots, the end."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hpcepm.layout import RECURRENCE, SAME_STRAIN, TARGET
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.loop import LoopExit
from hpcepm.model.snapshot import Snapshot
from hpcepm.schedule import ROUNDING_OF_TIME, Cadence, counts


class Due(NamedTuple):
    """What is to be done at a stop."""

    record: bool
    snapshot: bool
    over: bool  # the segment
    reached: bool  # its target
    ended: int  # why the whole loading is over, of `hpcepm.layout.ENDINGS`; 0 if it is not


@dataclass(frozen=True)
class Cadences:
    """How often records and snapshots are taken.

    The values at which the last were taken are in the state (`hpcepm.model.state.MACRO`), so that a
    run goes on where it was.
    """

    records: Cadence
    snapshots: Cadence | None = None

    def watch(self, dynamics: Dynamics, n_records: int) -> float:
        """Tell the step loop what to look out for; return the load to go to."""
        watch, macro, segment = dynamics.watch[0], dynamics.state.macro[0], dynamics.segment
        rules = dynamics.loading.rules(int(macro.segment))
        watch.active = n_records > 0 or rules.any
        low = dict.fromkeys(("strain", "stress", "plastic_strain"), -np.inf)
        high = dict.fromkeys(low, np.inf)
        for cadence, last in ((self.records, macro.recorded), (self.snapshots, macro.snapped)):
            if n_records > 0 and cadence is not None and cadence.of in low:
                before, after = cadence.around(float(last))
                low[cadence.of] = max(low[cadence.of], before)
                high[cadence.of] = min(high[cadence.of], after)
        for name in ("strain", "plastic_strain"):
            if (most := getattr(rules, name)) is not None:
                low[name], high[name] = max(low[name], -most), min(high[name], most)
        for name in low:
            watch[f"{name}_low"], watch[f"{name}_high"] = low[name], high[name]
        watch.events = 2**62
        if (most := rules.events_per_site) is not None:
            watch.events = macro.events_begun + np.ceil(most * dynamics.lattice.n_sites)
        if n_records == 0:  # an avalanche of the preparation runs out first, if no rule ends it
            dynamics.timing.stop_at(dynamics.timing.now)
            return float(macro.load)
        self._watch_time(dynamics)
        return segment.target

    def _watch_time(self, dynamics: Dynamics) -> None:
        """Tell the step loop at which time to stop, where there is a clock."""
        timing, macro = dynamics.timing, dynamics.state.macro[0]
        stop = dynamics.loading.rules(int(macro.segment)).time or np.inf
        hold = dynamics.segment.hold
        end = timing.begun + hold if hold else np.inf
        for cadence, last in ((self.records, macro.recorded), (self.snapshots, macro.snapped)):
            if cadence is not None and cadence.of == "time":
                begun = timing.begun if cadence.per_decade else 0.0
                mark = begun + cadence.around(float(last) - begun, _rounding(float(last)))[1]
                if not abs(mark - end) <= _rounding(mark):  # then the end has the record
                    stop = min(stop, mark)
        timing.stop_at(stop)

    def is_over(self, dynamics: Dynamics) -> bool:
        """Return whether a rule holds at a stop: where a segment begins, it may already."""
        macro = dynamics.state.macro[0]
        rules = dynamics.loading.rules(int(macro.segment))
        if not rules.any:
            return False
        sizes = {
            "strain": abs(dynamics.strain_at(float(macro.load))),
            "plastic_strain": abs(dynamics.state.plastic_strain(dynamics.lattice)),
            "events_per_site": int(macro.events - macro.events_begun) / dynamics.lattice.n_sites,
            "time": dynamics.timing.now,
        }
        return rules.that_holds(sizes) > 0

    def look(
        self, dynamics: Dynamics, snapshot: Snapshot, why: LoopExit, n_records: int, n_maps: int
    ) -> Due:
        """Return what is due at a stop, and note it in the state."""
        macro, segment = dynamics.state.macro[0], dynamics.segment
        n_sites, n = dynamics.lattice.n_sites, len(dynamics.loading.segments)
        now = {
            "strain": snapshot.strain,
            "stress": snapshot.stress,
            "plastic_strain": snapshot.plastic_strain,
            "time": snapshot.time,
        }
        reached = why is LoopExit.REACHED and abs(snapshot.load - segment.target) <= SAME_STRAIN
        if segment.hold:
            reached = why is LoopExit.REACHED and dynamics.timing.is_at_end
        rules = dynamics.loading.rules(int(macro.segment))
        sizes = {name: abs(value) for name, value in now.items()}
        events = int(macro.events - macro.events_begun)
        rule = rules.that_holds({**sizes, "events_per_site": events / n_sites})
        over, last, ended = reached or rule > 0, macro.segment == n - 1, 0
        if over and last:
            ended = TARGET if reached else rule
        elif rule and rules is dynamics.loading.until:  # of the whole, and not of a segment
            ended = rule
        due: list[bool] = []
        for cadence, name, taken in (
            (self.records, "recorded", n_records),
            (self.snapshots, "snapped", n_maps),
        ):
            is_due = cadence is not None and (taken == 0 or ended > 0)
            if cadence is not None and cadence.of == "cycle":
                in_cycle = len(getattr(dynamics.loading, "cycle", (0,)))
                is_due |= over and counts(cadence, int(macro.segment), in_cycle, n)
            elif cadence is not None:
                begun = dynamics.timing.begun if cadence.per_decade else 0.0
                last = float(macro[name])
                near = _rounding(last) if cadence.of == "time" else 0.0
                before, after = cadence.around(last - begun, near)
                value = _rounded(now[cadence.of] - begun, begun, before, after)
                is_due |= over or not before < value < after
                if is_due:
                    macro[name] = now[cadence.of]
            due.append(is_due)
        record, maps = due
        return Due(record, maps, over, reached, ended)

    def after_cycle(self, found: Due, period: int, dynamics: Dynamics) -> Due:
        """Return what is due when a segment is over, if its cycle has come back."""
        if not (period and dynamics.loading.until.recurrence):
            return found
        return found._replace(record=True, snapshot=self.snapshots is not None, ended=RECURRENCE)


def _rounding(time: float) -> float:
    """Return what is left open of a time since the run began: a mark so near it is that time."""
    return ROUNDING_OF_TIME * abs(time)


def _rounded(value: float, begun: float, *marks: float) -> float:
    """Return a value since ``begun``, or the mark that it differs from by rounding only."""
    close = max(1e-3 * SAME_STRAIN * max(1.0, abs(value)), _rounding(begun + value))
    return next((mark for mark in marks if abs(value - mark) <= close), value)

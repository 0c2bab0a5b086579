"""Runs beside each other: ``hpcepm compare RUN RUN…``."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

import numpy as np

from .differences import differences, directories, worded
from .quantities import Quantity, check_window, end_of, open_for_numbers, quantities
from .results import Results
from .statistics import CONFIDENCE, agreement

WIDEST: Final = 110
"""Columns of a terminal; more runs go below."""

NARROWEST: Final = 16


class Row(NamedTuple):
    """One quantity of all runs."""

    name: str
    unit: str
    values: list[Quantity | None]  # None: a run has no such quantity

    @property
    def tested(self) -> dict[int, Quantity]:
        """Those with an error, by which run has them."""
        pairs = enumerate(self.values)
        return {
            k: one
            for k, one in pairs
            if one is not None and one.known and one.value.error > 0 and not one.is_bound
        }

    @property
    def elsewhere(self) -> bool:
        """Whether they were taken at strains or times of their own, so that they need not agree."""
        windows = [one.window for one in self.tested.values()]
        return len({one and (round(one[0], 9), round(one[1], 9)) for one in windows}) > 1

    @property
    def probability(self) -> float | None:
        """How probable it is that equal numbers differ as much; None if nobody knows."""
        found = self.tested.values()
        if len(found) < 2 or self.elsewhere:
            return None
        return agreement([one.value for one in found], [one.freedom for one in found])

    @property
    def agree(self) -> bool | None:
        """Whether the runs agree within their errors; None if nobody knows."""
        found = self.probability
        return None if found is None else found > 1 - CONFIDENCE

    @property
    def verdict(self) -> str:
        """The same in words."""
        found = [one.value for one in self.values if one is not None and one.known]
        if self.elsewhere:
            return "taken elsewhere"
        same = all(np.array_equal(one, found[0], equal_nan=True) for one in found)
        if len(found) == len(self.values) and same:
            return "same"
        if self.agree is None:
            return "–"
        found, n = [one.value for one in self.tested.values()], len(self.values)
        of = f", {len(found)} of {n} runs" if len(found) < n else ""
        if len(found) > 2:
            return f"{'yes' if self.agree else 'NO'} (p = {self.probability:.2g}{of})"
        apart = abs(found[0].value - found[1].value) / np.hypot(found[0].error, found[1].error)
        return f"{'yes' if self.agree else 'NO'} ({apart:.1f} errors apart{of})"


class Comparison(NamedTuple):
    """What differs between runs: the inputs, and the numbers."""

    names: list[str]
    about: list[str]  # realizations of each, and whether it is finished
    inputs: dict[str, list[Any]]
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        rows = {
            row.name: {
                "runs": [one and one.as_json() for one in row.values],
                "agree": row.agree,
                "probability": row.probability,
                "tested": [self.names[k] for k in row.tested] if row.agree is not None else [],
            }
            for row in self.rows
        }
        return {"runs": self.names, "inputs": self.inputs, "quantities": rows}


def compare(paths: Sequence[str], window: tuple[float, float] | None = None) -> Comparison:
    """Compare runs.

    Raises
    ------
    NoRun
        One of them cannot be read, has no records, or has not come to the window.
    """
    with ExitStack() as stack:
        runs = [stack.enter_context(open_for_numbers(path)) for path in paths]
        for run in runs:
            run.require_records()
            check_window(run, window)
        at = min((end for run in runs if (end := end_of(run)) is not None), default=None)
        every = [{one.name: one for one in quantities(run, window, at)} for run in runs]
        names = dict.fromkeys(name for one in every for name in one)
        rows = [_row([one.get(name) for one in every], name) for name in names]
        about = [_about(run) for run in runs]
        return Comparison(directories(runs), about, differences(runs), rows)


def _row(values: list[Quantity | None], name: str) -> Row:
    unit = next(one.unit for one in values if one is not None)
    return Row(name, unit, values)


def _about(run: Results) -> str:
    n = run.realizations
    return f"{n} realization{'s' * (n != 1)}{'' if run.finished else ', not finished'}"


def lines(found: Comparison) -> list[str]:
    """Return a comparison as a table; of many runs in several, one below another."""
    head = [["run", *found.names], ["", *found.about]]
    inputs = [[f"  {key}", *map(worded, values)] for key, values in found.inputs.items()]
    inputs = inputs or [["  (nothing)", *[""] * len(found.names)]]
    cells = [[_label(row), *(_cell(one) for one in row.values)] for row in found.rows]
    verdicts = [row.verdict for row in found.rows]
    rule = [[title, *[""] * len(found.names)] for title in ("input, where it differs", "results")]
    table = [*head, rule[0], *inputs, rule[1], *cells]
    last = [*[""] * (len(table) - len(cells) - 1), "within errors?", *verdicts]
    widths = [max(max(len(row[k]) for row in table) + 2, NARROWEST) for k in range(len(table[0]))]
    said: list[str] = []
    begin = 1
    while begin <= len(found.names):
        end = begin + 1
        while end <= len(found.names) and widths[0] + sum(widths[begin : end + 1]) <= WIDEST:
            end += 1
        for row, verdict in zip(table, last, strict=True):
            shown = [row[0].ljust(widths[0])]
            shown += [row[k].ljust(widths[k]) for k in range(begin, end)]
            said.append("".join([*shown, verdict if end > len(found.names) else ""]).rstrip())
        said.append("")
        begin = end
    return [*said, *_notes(found), *_left_out(found), _judged(found)]


def _label(row: Row) -> str:
    unit = f" ({row.unit})" if row.unit else ""
    return f"  {row.name}{unit}"


def _cell(one: Quantity | None) -> str:
    return str(one.value) if one is not None and one.known else "–"


def _notes(found: Comparison) -> list[str]:
    """Say where numbers were taken, and why some are missing."""
    said = []
    for row in found.rows:
        pairs = zip(found.names, row.values, strict=True)
        notes = [(name, one.note) for name, one in pairs if one is not None and one.note]
        if len({note for _, note in notes}) == 1 and len(notes) == len(found.names):
            said.append(f"  {row.name}: {notes[0][1]}")
        else:
            said += [f"  {row.name} of {name}: {note}" for name, note in notes]
    return [*said, ""]


def _left_out(found: Comparison) -> list[str]:
    """Say which runs a test went without."""
    rows_without: dict[str, list[str]] = {}
    for row in found.rows:
        without = [name for k, name in enumerate(found.names) if k not in row.tested]
        if without and row.agree is not None and row.verdict != "same":
            rows_without.setdefault(", ".join(without), []).append(row.name)
    return [
        f"compared without {runs}, where they have no error, or a lower bound of it: "
        + ", ".join(rows)
        for runs, rows in rows_without.items()
    ]


def _judged(found: Comparison) -> str:
    """Say in a sentence whether runs agree."""
    known = [row for row in found.rows if row.agree is not None and row.verdict != "same"]
    apart = [row.name for row in known if not row.agree]
    if not known and any(row.verdict == "same" for row in found.rows):
        return "all numbers above that two runs have are the same"
    if not known:
        return "no number has errors in two runs, so nothing is said of their agreement"
    chance = f"{1 - CONFIDENCE:.0%} of equal numbers would, too"
    if apart:
        return f"differ beyond their errors: {', '.join(apart)} ({chance})"
    if len(known) == 1:
        return f"the one number that has errors agrees within them: {known[0].name}"
    return f"all {len(known)} numbers with errors agree within them"

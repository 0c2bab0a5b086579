"""The page and the table: figures, numbers and the paper's statements side by side."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import hypot, sqrt
from pathlib import Path
from typing import Final

from hpcepm.analysis.statistics import Estimate

from ..ensemble import PEAK_BEFORE, Ensemble, Statistic, in_flow, peak_of, strain_of_maximum
from ..harness import table
from . import statistics as st
from .drawing import PANELS, QUANTITIES
from .sets import NAMES, SUSPECT, TWIN, inputs
from .statements import SAME_PLATEAU, SIGMAS, Plateau, Statement

Row = dict[str, str | Estimate]

COLUMNS: Final[dict[str, Statistic]] = {
    "plateau": st.plateau,
    "peak": lambda curves: peak_of(curves)[0],
    "strain of the peak": lambda curves: peak_of(curves)[1],
    "mean threshold at the start": lambda curves: float(curves.of["threshold_mean"][0]),
    "mean threshold in flow": in_flow("threshold_mean"),
    "LOC maximum": st.localization_maximum,
    "strain of the LOC maximum": strain_of_maximum("localization"),
}
FIRST_SLIPS: Final = (
    "Below strain 0.02 LOC is that of the first few slips in an otherwise elastic lattice of 256 "
    "sites (of one large slip alone it would be 16), not of a band: the first, narrow maximum is "
    "of that kind.\n"
)


def rows_of_table(ensembles: Mapping[str, Ensemble]) -> list[Row]:
    """Return the table: a row a run. S and r follow from the input, without an error."""
    rows: list[Row] = []
    for name, settings in inputs().items():
        ensemble, row = ensembles[name], Row(run=name)
        row |= {key: f"{value:g}" for key, value in settings["slip"].items()}
        for column, statistic in COLUMNS.items():
            number = ensemble.estimate(statistic)
            # Strains have the error that comes of records being apart, too.
            apart = ensemble.strain[1] / sqrt(12) if column.startswith("strain of") else 0.0
            row[column] = Estimate(number.value, hypot(number.error, apart))
        rows.append({**row, "s": f"{ensemble.strength:.4f}", "r": f"{ensemble.age:.4f}"})
    return rows


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the table as CSV: a column for each number, and one for its error."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for k, row in enumerate(rows):
            flat = dict(_flat(row))
            if k == 0:
                writer.writerow(flat)
            writer.writerow(flat.values())


def _flat(row: Row) -> Iterator[tuple[str, str]]:
    for column, cell in row.items():
        if isinstance(cell, str):
            yield column, cell
        else:
            yield column, f"{cell.value:.6g}"
            yield f"{column}, error", f"{cell.error:.3g}"


def page(
    rows: Sequence[Row],
    said: Sequence[Statement],
    plateau: Plateau,
    twin_slip: float,
    size: int,
) -> str:
    """Return the page, in Markdown; the figures lie beside it."""
    summary = [(s.figure, s.text, f"**{s.verdict}**") for s in said]
    note = (
        f"The peak is the highest up to strain {PEAK_BEFORE:g}, which is that bound where the "
        "stress only rises. Errors of strains include that records are apart. s and r follow from "
        "the input and have no error. Also as [table.csv](table.csv).\n"
    )
    parts = [
        "# The paper's eight parameter sets\n",
        _introduction(size, plateau),
        table(("figure", "the paper says", "our data"), summary),
        "## One plateau, and the set that is not on it\n",
        "![stress and strain of all sets](plateau.png)\n",
        _suspect(plateau, twin_slip, rows),
        *(_statement(s) for s in said if s.figure == "plateau"),
    ]
    for panel in PANELS:
        quantity = QUANTITIES[panel[0]][1].replace("σ$_c$", "σ_c")
        parts.append(f"## Figure {panel}: {quantity}, {'ESL' if panel[1] == 'a' else 'GQ'}\n")
        parts.append(f"![figure {panel}](figure_{panel}.png)\n")
        own = [_statement(s) for s in said if s.figure == panel]
        parts += own or ["Nothing of it is tested here.\n"]
        parts += [FIRST_SLIPS] if panel == "7a" else []
    cells = [list(row.values()) for row in rows]
    return "\n".join([*parts, "## Numbers\n", note, table(list(rows[0]), cells)])


def _introduction(size: int, plateau: Plateau) -> str:
    return (
        f"N = 16, strain to 1, {size} realizations each, no initial stress. Errors are standard "
        "errors of the ensemble, by resampling realizations. A statement **holds** if each of its "
        f"numbers lies, with {SIGMAS:g} standard errors on both sides, where the statement says; "
        f"it **does not hold** if one lies outside with {SIGMAS:g} standard errors; else it is "
        "**not resolved**. Numbers for words such as ‘tiny’ and ‘alike’ are ours, and given with "
        "each. Plain: thresholds are renewed as those of the glass itself; rejuvenated: as those "
        "of a younger glass (MCT). Correlated: a slip is c0 + c1 σ_c² on average. Panels are "
        "grouped so: 3 stress without correlation, 4 stress with correlation, 5 mean threshold, "
        "6 variance of the local strain, 7 localization; a ESL, b GQ. The threshold distributions "
        "are the presets of hpcepm: the paper prints none. Bands are two standard errors wide on "
        f"both sides. Where `{SUSPECT}` is judged below, it is the one with c0 nearest to the "
        f"corrected value, {plateau.c0}, among those run; as printed it is drawn dashed.\n"
    )


def _suspect(plateau: Plateau, twin_slip: float, rows: Sequence[Row]) -> str:
    common, c0 = plateau.common.value, plateau.c0
    others = [e.value for name, e in plateau.of.items() if name != plateau.outlier]
    spread = max(abs(value / common - 1) for value in others)
    agree = "agree" if spread <= SAME_PLATEAU else "do not agree"
    scan = ", ".join(f"{e} at c0 = {at:g}" for at, e in plateau.scan.items())
    strength = {row["run"]: row["s"] for row in rows}
    pairs = ", ".join(
        f"{strength[name]} and {strength[f'{name}_correlated']} ({name.replace('_', ' ')})"
        for name in NAMES
        if f"{name}_correlated" in NAMES and name != SUSPECT
    )
    (first, high), *_, (last, low) = plateau.scan.items()
    allowed = SAME_PLATEAU * common * abs((last - first) / (low.value - high.value))
    off = abs(c0.value - twin_slip)
    return (
        f"As measured, the other seven sets {agree} within {SAME_PLATEAU:.1%} on the plateau "
        f"{plateau.common} (mean stress over 0.5 < ε < 1): the farthest is {spread:.2%} from it. "
        f"The eighth is **`{plateau.outlier}`**: as printed it is at {plateau.of[plateau.outlier]}."
        f" With other c0, `{SUSPECT}` is at {scan}; a straight line through these (weighted least "
        f"squares, χ² = {plateau.chi2:.1f} for {len(plateau.scan) - 2} degree of freedom) crosses "
        f"the common plateau at **c0 = {c0}**; the error is of the ensembles alone, and a plateau "
        f"within {SAME_PLATEAU:.1%} leaves c0 free by ± {allowed:.4f}. The paper's own mean slip "
        f"of the correlated twin `{TWIN}`, c0 + c1⟨σ_c²⟩, is {twin_slip:.4f}: "
        f"{off / c0.error:.1f} standard errors away, and {'within' if off <= allowed else 'beyond'}"
        " what the tolerance leaves free. The disorder strength s needs no simulation: it is "
        f"{strength[SUSPECT]} as printed and {strength[TWIN]} in the twin. Of the other pairs, "
        f"without and with correlation, it is {pairs}.\n"
    )


def _statement(statement: Statement) -> str:
    head = f"**{statement.text}** {statement.verdict}: {statement.measured}\n\n"
    rows = [(check.what, check.number, check.verdict) for check in statement.checks]
    return head + table(("of", "number", "verdict"), rows)

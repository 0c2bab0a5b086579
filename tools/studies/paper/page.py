"""The page and the table: figures, numbers and the paper's statements side by side."""

import csv
from collections.abc import Iterable, Mapping
from html import escape
from math import hypot, sqrt
from pathlib import Path
from typing import Final

from . import statistics as st
from .drawing import PANELS, QUANTITIES
from .sets import NAMES, SUSPECT, TWIN, all_runs, read
from .statements import SAME_PLATEAU, SIGMAS, Check, Plateau, Statement, Verdict
from .statistics import Ensemble, Estimate

COLUMNS: Final = {
    "plateau": st.plateau,
    "peak": lambda c: st.peak(c)[1],
    "strain of the peak": lambda c: st.peak(c)[0],
    "mean threshold at the start": lambda c: float(c.of["threshold_mean"][0]),
    "mean threshold in flow": st.in_flow("threshold_mean"),
    "LOC maximum": lambda c: st.localization_maximum(c)[1],
    "strain of the LOC maximum": lambda c: st.localization_maximum(c)[0],
}
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1, h2 { font-weight: 600 } h2 { margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem }
table { border-collapse: collapse; margin: .6rem 0; font-size: 13px } caption { text-align: left; color: #555 }
td, th { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #eee }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap }
.row { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start } .row > img { width: 34rem; max-width: 100% }
.row > div { flex: 1; min-width: 22rem } .wide { width: 100% } .scroll { overflow-x: auto }
.v { border-radius: .6rem; padding: 0 .6rem; color: #fff; white-space: nowrap; font-size: 13px }
.holds { background: #2a7d3b } .fails { background: #b2182b } .open { background: #8a6d00 } .how { color: #666; font-size: 13px }
"""
FIRST_SLIPS: Final = (
    "Below strain 0.02 LOC is that of the first few slips in an otherwise elastic lattice of 256 sites (of one large slip "
    "alone it would be 16), not of a band: the first, narrow maximum is of that kind."
)
CLASS: Final = {Verdict.HOLDS: "holds", Verdict.FAILS: "fails", Verdict.OPEN: "open"}


def rows_of_table(ensembles: Mapping[str, Ensemble]) -> list[dict[str, str | Estimate]]:
    """Return the table: a row a run, each number an `Estimate`.

    S and r follow from the input, without an error.
    """
    rows: list[dict[str, str | Estimate]] = []
    for run in all_runs():
        ensemble = ensembles[run.name]
        numbers = {column: ensemble.estimate(statistic) for column, statistic in COLUMNS.items()}
        numbers |= {
            column: _of_a_record(numbers[column], ensemble)
            for column in COLUMNS
            if column.startswith("strain of")
        }
        exact = {"s": Estimate(ensemble.strength, 0.0), "r": Estimate(ensemble.age, 0.0)}
        rows.append({"run": run.name, "c0": f"{run.c0:g}", "c1": f"{run.c1:g}", **numbers, **exact})
    return rows


def _of_a_record(strain: Estimate, ensemble: Ensemble) -> Estimate:
    """Return a strain with the error that comes of records being apart, too."""
    return Estimate(strain.value, float(hypot(strain.error, ensemble.strain[1] / sqrt(12))))


def write_table(rows: list[dict[str, str | Estimate]], path: Path) -> None:
    """Write the table as CSV: a column for each number, and one for its error."""
    with path.open("w", newline="") as file:
        flat = [dict(_flat(row)) for row in rows]
        writer = csv.DictWriter(file, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Mapping[str, str | Estimate]) -> Iterable[tuple[str, str]]:
    for column, cell in row.items():
        if isinstance(cell, Estimate):
            yield column, f"{cell.value:.6g}"
            yield f"{column}, error", f"{cell.error:.3g}"
        else:
            yield column, cell


def write_page(
    rows: list[dict[str, str | Estimate]],
    said: list[Statement],
    plateau: Plateau,
    twin_slip: float,
    size: int,
    path: Path,
) -> None:
    """Write the page; the figures lie beside it."""
    parts = [
        "<h1>The paper's eight parameter sets</h1>",
        f"<p>{_introduction(size, plateau)}</p>",
        _summary(said),
        "<h2>One plateau, and the set that is not on it</h2>",
        '<img class="wide" src="plateau.png" alt="stress and strain of all sets">',
        f"<p>{_suspect(plateau, twin_slip, rows)}</p>",
        *(_statement(s) for s in said if s.figure == "plateau"),
        *(_panel(panel, [s for s in said if s.figure == panel]) for panel in PANELS),
        "<h2>Numbers</h2>",
        _table(rows),
    ]
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    title = "<title>hpcepm: the paper's eight parameter sets</title>"
    path.write_text(
        f"{head}{title}<style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _introduction(size: int, plateau: Plateau) -> str:
    return (
        f"N = 16, strain to 1, {size} realizations each, no initial stress. Errors are standard errors of the ensemble, by "
        f"resampling realizations. A statement <b>holds</b> if each of its numbers lies, with {SIGMAS:g} standard errors on both "
        f"sides, where the statement says; it <b>does not hold</b> if one lies outside with {SIGMAS:g} standard errors; else it "
        "is <b>not resolved</b>. Numbers for words such as ‘tiny’ and ‘alike’ are ours, and given with each. Plain: "
        "thresholds are renewed as those of the glass itself; rejuvenated: as those of a younger glass (MCT). Correlated: a "
        "slip is c0 + c1 σ<sub>c</sub>² on average. Panels are grouped so: 3 stress without correlation, 4 stress with "
        "correlation, 5 mean threshold, 6 variance of the local strain, 7 localization; a ESL, b GQ. The threshold distributions "
        "are the presets of hpcepm: the paper prints none. Bands are two standard errors wide on both sides. "
        f"Where <code>{SUSPECT}</code> is judged below, it is the one with c0 nearest to the corrected value, "
        f"{plateau.c0}, among those run; as printed it is drawn dashed."
    )


def _suspect(plateau: Plateau, twin_slip: float, rows: list[dict[str, str | Estimate]]) -> str:
    others = [e.value for name, e in plateau.of.items() if name != plateau.outlier]
    spread = max(abs(value / plateau.common.value - 1) for value in others)
    agree = "agree" if spread <= SAME_PLATEAU else "do not agree"
    scan = ", ".join(f"{e} at c0 = {c0:g}" for c0, e in plateau.scan.items())
    freedom = len(plateau.scan) - 2

    def strength(run: str) -> str:
        return next(
            f"{row['s'].value:.3f}"
            for row in rows
            if row["run"] == run and isinstance(row["s"], Estimate)
        )

    twins = [name for name in NAMES if f"{name}_correlated" in NAMES and name != SUSPECT]
    pairs = ", ".join(
        f"{strength(name)} and {strength(f'{name}_correlated')} ({read(name).label})"
        for name in twins
    )
    (first, high), *_, (last, low) = plateau.scan.items()
    allowed = SAME_PLATEAU * plateau.common.value * abs((last - first) / (low.value - high.value))
    return (
        f"As measured, the other seven sets {agree} within {SAME_PLATEAU:.1%} on the plateau {plateau.common} (mean stress over "
        f"0.5 &lt; ε &lt; 1): the farthest is {spread:.2%} from it. "
        f"The eighth is <b><code>{plateau.outlier}</code></b>: as printed it is at "
        f"{plateau.of[plateau.outlier]}. With other c0, <code>{SUSPECT}</code> is at {scan}; a straight line "
        f"through these (weighted least squares, χ² = {plateau.chi2:.1f} for {freedom} degree of freedom) "
        f"crosses the common plateau at <b>c0 = {plateau.c0}</b>; the "
        f"error is of the ensembles alone, and a plateau within {SAME_PLATEAU:.1%} leaves c0 free by ± {allowed:.4f}. "
        f"The paper's own mean slip of the correlated twin <code>{TWIN}</code>, c0 + c1⟨σ<sub>c</sub>²⟩, is {twin_slip:.4f}: "
        f"{abs(plateau.c0.value - twin_slip) / plateau.c0.error:.1f} standard errors away, and "
        f"{'within' if abs(plateau.c0.value - twin_slip) <= allowed else 'beyond'} what the tolerance leaves free. "
        f"The disorder strength s needs no simulation: it is {strength(SUSPECT)} as printed and {strength(TWIN)} in the twin. "
        f"Of the other pairs, without and with correlation, it is {pairs}."
    )


def _badge(verdict: Verdict) -> str:
    return f'<span class="v {CLASS[verdict]}">{verdict}</span>'


def _summary(said: list[Statement]) -> str:
    lines = "".join(f"<tr><td>{s.figure}<td>{escape(s.text)}<td>{_badge(s.verdict)}" for s in said)
    return f"<table><tr><th>figure<th>the paper says<th>our data{lines}</table>"


def _panel(panel: str, said: list[Statement]) -> str:
    quantity = QUANTITIES[panel[0]][1].replace("$_c$", "<sub>c</sub>")
    numbers = "".join(map(_statement, said)) or "<p>Nothing of it is tested here.</p>"
    if panel == "7a":
        numbers += f"<p class='how'>{FIRST_SLIPS}</p>"
    title = f"<h2>Figure {panel}: {quantity}, {'ESL' if panel[1] == 'a' else 'GQ'}</h2>"
    return f'{title}<div class="row"><img src="figure_{panel}.png" alt="figure {panel}"><div>{numbers}</div></div>'


def _statement(statement: Statement) -> str:
    rows = "".join(map(_check, statement.checks))
    return (
        f'<p><b>{escape(statement.text)}</b> {_badge(statement.verdict)}<br><span class="how">{escape(statement.measured)}</span>'
        f"<table>{rows}</table>"
    )


def _check(check: Check) -> str:
    return (
        f'<tr><td><code>{escape(check.what)}</code><td class="n">{check.number}<td>{check.verdict}'
    )


def _table(rows: list[dict[str, str | Estimate]]) -> str:
    head = "".join(f"<th>{column}" for column in rows[0])
    body = "".join("<tr>" + "".join(map(_cell, row.values())) for row in rows)
    note = (
        f"The peak is the highest below strain {st.PEAK_BEFORE:g}, which is that bound where the stress only rises. Errors of "
        "strains include that records are apart. "
        "s and r follow from the input and have no error. Also as <a href='table.csv'>table.csv</a>."
    )
    return f'<div class="scroll"><table><caption>{note}</caption><tr>{head}{body}</table></div>'


def _cell(cell: str | Estimate) -> str:
    text = cell if isinstance(cell, str) else f"{cell.value:.4f}" if cell.error == 0 else str(cell)
    return f'<td class="n">{escape(text)}'

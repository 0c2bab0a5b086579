"""The figure and the table of a sweep over two keys."""

import numpy as np

from hpcepm.analysis.ensembles import ensemble_of
from hpcepm.sweep import figure
from hpcepm.sweep.results import Row, lines

KEYS = ["slip.c0", "slip.c1", "seed"]


def row(c0: str, c1: str, rise: float) -> Row:
    """Return a row of three realizations whose stress rises by so much in the last half."""
    strain = np.linspace(0, 1, 101)
    shape = np.minimum(strain / 0.1, 1.0) + rise * np.clip(strain - 0.5, 0, None)
    stress = shape + 0.01 * np.random.default_rng(0).standard_normal((3, 101))
    paths = [(strain, one) for one in stress]
    values = {"slip.c0": c0, "slip.c1": c1}
    return Row(values, 3, 3, stress[:, -1], strain, stress, paths, ensemble_of(paths))


def test_lone_points_can_be_told_apart_and_lines_break_where_a_number_is_missing() -> None:
    rows = [row(c0, c1, 1.0 if c0 == "2" else 0.0) for c0 in "123" for c1 in ("0.1", "0.2")]
    drawn = figure._drawn(rows, KEYS, "two keys")
    against = drawn.axes[1]
    plateaus = [line for line in against.lines if line.get_markerfacecolor() == "0.25"]
    shapes = [line for line in plateaus if line.get_linestyle() != "None"]
    assert [line.get_marker() for line in shapes] == ["o", "s"]
    assert all(np.isnan(np.array(line.get_ydata())[1]) for line in shapes)
    legend = drawn.axes[0].get_legend()
    assert legend is not None
    said = dict(zip([t.get_text() for t in legend.get_texts()], legend.get_lines(), strict=True))
    assert said["slip.c1 = 0.1"].get_marker() == "o"
    assert said["slip.c1 = 0.2"].get_marker() == "s"


def test_a_reason_says_of_which_points_it_is() -> None:
    rows = [row("1", "0.1", 0.0), row("1", "0.2", 1.0)]
    *_, last = lines(rows, KEYS)
    assert last.startswith("  slip.c0 = 1, slip.c1 = 0.2: no plateau yet: the stress still rises")
    assert sum("no plateau" in line for line in lines(rows, KEYS)) == 1
    many = [row(str(k), "0.2", 1.0) for k in range(9)]
    assert lines(many, KEYS)[-1] == "  and 3 more"

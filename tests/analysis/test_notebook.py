"""What a notebook does: ten lines from ``import hpcepm`` alone."""

from pathlib import Path

from tests.conftest import run_python

SCRIPT = """\
import matplotlib.pyplot as plt
import hpcepm

glass = {"lattice": {"shape": [16, 16]}, "loading": {"target": 0.2},
         "output": {"fields": {"every": 0.1, "names": ["epsilon_p"]}}}
tree = hpcepm.simulate(glass, realizations=8)
stress, strain = tree["observables"].stress, tree["observables"].strain
_, (curves, map) = plt.subplots(1, 2)
stress.mean("realization").plot(x="strain", ax=curves)
curves.fill_between(strain, *stress.quantile([0.05, 0.95], "realization"), alpha=0.2)
tree["fields"].epsilon_p[0, -1].plot(x="x", ax=map)
plt.savefig("stress.png")
assert stress.shape == (8, 41) and tree["fields"].epsilon_p.shape == (8, 3, 16, 16)
"""


def test_ten_lines_of_a_notebook(tmp_path: Path) -> None:
    done = run_python(["-W", "error", "-c", SCRIPT], None, tmp_path, MPLBACKEND="agg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stress.png").stat().st_size > 20_000
    assert [path.name for path in tmp_path.iterdir()] == ["stress.png"]

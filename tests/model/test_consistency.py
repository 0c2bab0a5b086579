"""States that are read from files: those of a run are taken, at every step; others are refused."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from hpcepm.input.glass import glass_of
from hpcepm.input.plugins import load_plugin
from hpcepm.input.read import read_input, read_mapping
from hpcepm.model.consistency import ImpossibleState, check_state
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.finite import NotFinite
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import assert_on_ranks, settings_for

WOBBLE = """
from dataclasses import dataclass

import hpcepm


@hpcepm.slip
@dataclass(frozen=True)
class Wobble:
    size: float = 0.1

    def slip(self, sigma_c, u):
        return self.size * (u - 0.45)
"""


def check(dynamics: Dynamics) -> None:
    engine = dynamics.engine
    arguments = dynamics.lattice, dynamics.glass, dynamics.loading
    state = dynamics.complete_state()
    check_state(state, *arguments, engine.convolution, engine.initial_stress)


def test_each_rank_hears_of_a_site_of_one(tmp_path: Path) -> None:
    assert_on_ranks("spoilt_states", 2, tmp_path)


@pytest.mark.parametrize("name", ["sigma_c_backward", "yields_backward_at", "epsilon_p"])
def test_a_number_that_is_none_is_found_in_all_fields(name: str, one_rank: Ranks) -> None:
    dynamics = two_sides(Lattice((12, 8), one_rank))
    dynamics.shear(0.01)
    getattr(dynamics.state.fields, name)[5, 3] = np.nan
    with pytest.raises(NotFinite, match=rf"{name} is nan at site \(5, 3\)"):
        dynamics.shear(0.02)


def two_sides(lattice: Lattice) -> Dynamics:
    """Return a glass of two sides, with a region."""
    disc = {"shape": "disc", "centre": [3, 3], "size": 3, "thresholds": {"multiply": 0.9}}
    both = {"yielding": {"sides": "two"}, "regions": [disc]}
    settings = settings_for(lattice.shape, loading={"target": 1.0}, **both)
    return Dynamics(lattice, glass_of(read_mapping(settings, {}), lattice), "direct")


def test_slips_of_both_signs_may_cancel(
    tmp_path: Path, one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wobble.py").write_text(WOBBLE)
    load_plugin(str(tmp_path / "wobble.py"))
    settings = settings_for((16, 16), slip={"distribution": "wobble"})
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    read, lattice = read_input(str(tmp_path / "input.yaml"), []), Lattice((16, 16), one_rank)
    dynamics, cancelled = Dynamics(lattice, glass_of(read, lattice), "direct"), 0
    for _ in range(40):
        dynamics.shear(1.0, 1)
        check(dynamics)
        epsilon_p = dynamics.state.fields.epsilon_p
        cancelled += np.sqrt((epsilon_p**2).sum()) > abs(epsilon_p.sum())
    assert cancelled > 0
    dynamics.state.fields.yields_at[3, 4] -= 1e6
    with pytest.raises(ImpossibleState, match="yields_at is not that"):
        check(dynamics)

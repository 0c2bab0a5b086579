"""Values of a kernel at random places at each event, against a plain program of the same rule."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import hpcepm
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_mapping
from hpcepm.model.choice import choose_engine
from hpcepm.model.consistency import ImpossibleState
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel, Shuffled
from hpcepm.model.loading import Loading, Strain, Stress
from hpcepm.model.loop import LoopExit
from hpcepm.model.shuffle import keys_of_event, shuffle
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import ROOT, Run, assert_same_bits, datasets, run_python, settings_for
from tests.model.plain_model import kernel_hat
from tests.model.plain_protocols import Array, PlainProtocol
from tests.model.test_protocols import RULES, driven, plain
from tests.model.test_protocols import glass as true_glass


def glass(seed: int = 1, kind: Shuffled | None = None, **yielding: Any) -> Glass:
    true = true_glass("continuum", seed, **yielding)
    return true._replace(kernel=Kernel(kind or Shuffled(), true.kernel.mu_star))


def places(event: int, n: int, seed: int = 1, realization: int = 0) -> Array:
    """Return π of an event."""
    numbers = np.arange(n, dtype=np.uint64)
    keys = keys_of_event(event, np.uint64(seed), np.uint64(realization))
    shuffle(numbers, n, keys, np.zeros(n, np.int64))
    return numbers.astype(int)


def places_by_hand(event: int, n: int, seed: int) -> list[int]:
    """Return π of an event, by the text of docs/model.md."""
    raw = np.random.Philox(counter=(event << 64) + (8 << 128) - 1, key=seed).random_raw(4)
    words, bits = [int(w) for w in raw], max(10, (n - 1).bit_length())

    def once(x: int) -> int:
        for w in words:
            x = (x + (w >> 32)) * (w | 1) % 2**bits
            x ^= x >> (bits + 1) // 2
        return x

    found = []
    for x in range(n):
        x = once(x)
        while x >= n:
            x = once(x)
        found.append(x)
    return found


class PlainShuffled(PlainProtocol):
    """Each event by itself, in the order of sites."""

    def redistributed(self, slips: Array) -> Array:
        stress, (nx, ny), g = np.zeros(self.n), self.shape, np.fft.ifft2(self.kernel).real.ravel()
        slipping = np.flatnonzero(slips)
        for place, site in enumerate(slipping):
            event = int(self.events.sum()) - len(slipping) + place
            at = [0] + [1 + y for y in places_by_hand(event, self.n - 1, self.seed)]
            for i in range(nx):
                for j in range(ny):
                    away = (i - site // ny) % nx * ny + (j - site % ny) % ny
                    stress[i * ny + j] += slips[site] * g[at[away]]
        return stress


@pytest.mark.parametrize("n", [5, 8, 35, 1023, 1024, 1025, 9 * 130 - 1])
def test_each_place_once(n: int) -> None:
    for event in (0, 1, 2, 10**9, 2**62):
        found = places(event, n, seed=2**64 - 1)
        assert (np.sort(found) == np.arange(n)).all()
        if event < 2**62:
            assert places(event, n, 7).tolist() == places_by_hand(event, n, 7)
    assert (places(3, n) != places(4, n)).any() and (places(3, n) != places(3, n, 1, 1)).any()


def deviation(counts: Array) -> float:
    """Return by how many standard deviations χ² of equal chances is off."""
    expected, degrees = counts.mean(), counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - degrees) / (2 * degrees) ** 0.5)


@pytest.mark.parametrize(("n", "ny"), [(8, 3), (63, 8), (255, 16)])
def test_all_places_are_equally_likely(n: int, ny: int) -> None:
    """Those of each site, and how far two neighbours lie apart, along x, y and across."""
    found = np.array([places(event, n) for event in range(30_000)])
    for x in range(0, n, max(1, n // 16)):
        assert abs(deviation(np.bincount(found[:, x], minlength=n))) < 5
    for far in (1, 2, ny - 1, ny, n // 2):
        for x in (0, 1, n - far - 1):
            apart = (found[:, x + far] - found[:, x]) % n
            assert abs(deviation(np.bincount(apart, minlength=n)[1:])) < 5, (far, x)


@pytest.mark.parametrize("two", [False, True])
def test_an_event_has_the_values_of_the_kernel(one_rank: Ranks, two: bool) -> None:
    shape, kind = (12, 11), Shuffled("finite_difference", "pure")
    a_glass = glass(3, kind, sides="two" if two else "one")
    dynamics = Dynamics(Lattice(shape, one_rank), a_glass, "direct", loading=Strain(1.0))
    fields, before = dynamics.state.fields, None
    values = np.fft.ifft2(kernel_hat(shape, "finite_difference", "pure", a_glass.kernel.mu_star))
    g, several = np.sort(values.real.ravel()), 0
    for _ in range(120):
        assert dynamics.shear(1.0, 1) is LoopExit.PAUSED
        stress = fields.sigma_c - fields.yields_at
        if before is not None:
            slips, change = fields.epsilon_p - before[0], stress - before[1]
            assert abs(change.sum()) < 1e-12
            yielded = np.argwhere(slips)
            several += len(yielded) > 1
            if len(yielded) == 1:
                site = tuple(yielded[0])
                assert np.sort(change.ravel() / slips[site]) == pytest.approx(g, abs=1e-9)
                assert change[site] / slips[site] == pytest.approx(values.real[0, 0], abs=1e-9)
        before = fields.epsilon_p.copy(), stress.copy()
    assert several > 2


PATHS: list[list[Loading]] = [
    [Strain(0.08)],
    [Strain(0.06), Strain(-0.06), Stress(0.3)],
]


@pytest.mark.parametrize("rule", RULES)
def test_event_by_event(one_rank: Ranks, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.model.test_protocols.PlainProtocol", PlainShuffled)
    for path in PATHS:
        shape, two = (9, 11), "two" in str(RULES[rule])
        a_glass = glass(5, **RULES[rule])
        dynamics, rows = driven(Lattice(shape, one_rank), a_glass, "direct", path, 120)
        most = int(dynamics.state.macro[0].events)
        asked = {
            "seed": 5,
            "two": two,
            "quenched": "quenched" in rule,
            "weakest": "weakest" in rule,
        }
        model = plain(shape, path, most, **asked)
        assert isinstance(model, PlainShuffled) and most > 50
        assert (dynamics.state.fields.n_events.ravel() == model.events).all(), path
        mine = [(int(r.x) * 11 + int(r.y), int(r.events), int(r.duration)) for r in rows]
        assert mine == [row[:3] for row in model.rows[: len(rows)]], path


@pytest.mark.parametrize("rule", ["one", "two", "quenched, weakest"])
def test_the_same_bits_when_restarted_at_each_step(one_rank: Ranks, rule: str) -> None:
    lattice, a_glass = Lattice((10, 9), one_rank), glass(2, **RULES[rule])
    whole = Dynamics(lattice, a_glass, "direct", loading=Strain(0.2))
    whole.shear(0.2, 300)
    parts = Dynamics(lattice, a_glass, "direct", loading=Strain(0.2))
    for _ in range(300):
        parts.shear(0.2, 1)
        state = copy.deepcopy(parts.complete_state())
        parts = Dynamics(lattice, a_glass, "direct", state, Strain(0.2))
    assert whole.state.macro[0].events > 250
    for one, other in zip(whole.state.fields, parts.state.fields, strict=True):
        assert one.tobytes() == other.tobytes()
    state.fields.yields_at[3, 4] += 1.0
    with pytest.raises(ImpossibleState, match="a mean that no event leaves behind"):
        Dynamics(lattice, a_glass, "direct", state, Strain(0.2))
    if rule != "one":
        state.fields.yields_at[2, 2] -= 1.0
        with pytest.raises(ImpossibleState, match="are of different stresses"):
            Dynamics(lattice, a_glass, "direct", state, Strain(0.2))


def test_stress_is_never_found_from_the_plastic_strain(one_rank: Ranks) -> None:
    dynamics = Dynamics(Lattice((8, 9), one_rank), glass(), "direct")
    with pytest.raises(ValueError, match="does not follow from plastic strain"):
        dynamics.engine.synchronize(dynamics.state)


def test_the_same_bits_on_any_ranks(tmp_path: Path) -> None:
    common = {"kernel": {"type": "shuffled", "of": "cell_average"}, "engine": "direct"}
    one = settings_for((30, 21), **common)
    two = settings_for((30, 21), yielding={"sides": "two"}, **common)
    for name, settings in (("one", one), ("two", two)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    for ranks in (1, 2, 3, 4):
        command = ["-m", "mpi4py", "-m", "tests.ranks.run_inputs", "direct", "one", "two"]
        done = run_python(command, ranks, tmp_path, 200, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
        for name in ("one", "two"):
            assert_same_bits(tmp_path / f"{name} direct 1", tmp_path / f"{name} direct {ranks}")


def test_from_the_command_line_and_without_a_compiler(hpcepm: Run, tmp_path: Path) -> None:
    settings = settings_for((8, 8), kernel={"type": "shuffled"}, realizations=2)
    for name, disable in (("run", "0"), ("plain", "1")):
        done = hpcepm(settings, "--output", name, NUMBA_DISABLE_JIT=disable)
        assert done.returncode == 0, done.stderr
        assert "kernel    shuffled(of continuum, orientation simple)" in done.stdout
        assert "engine    direct: the only one that can shuffle" in done.stdout
    a, b = (datasets(tmp_path / name / "run.h5") for name in ("run", "plain"))
    assert a["observables/events"][:, -1].min() > 20
    assert (a["observables/events"] == b["observables/events"]).all()
    verified = run_python(["-m", "hpcepm", "verify", "run"], None, tmp_path)
    assert verified.returncode == 0, verified.stdout


WELLS = {"sides": "two", "landscape": "quenched"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "lazy": (
        {"engine": "lazy"},
        "engine: lazy cannot shuffle what an event does; with kernel.type",
    ),
    "spectral": ({"engine": "spectral"}, "shuffled write engine: direct, or auto"),
    "cycles": (
        {"yielding": WELLS, "loading": {"cycle": [0.02, -0.02], "cycles": 3}},
        "loading.cycle: with kernel.type: shuffled a cycle does not follow from the wells alone",
    ),
    "of": ({"kernel": {"type": "shuffled", "of": "uniform"}}, "kernel.of: must be 'continuum', "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused(what: str) -> None:
    changes, said = REFUSED[what]
    settings = {"lattice": {"shape": [80, 80]}, "loading": {"target": 0.1}}
    with pytest.raises(InputError) as raised:
        read_mapping({**settings, "kernel": {"type": "shuffled"}, **changes}, {})
    (line,) = raised.value.problems
    assert said in line, line


def test_auto_takes_direct_however_large() -> None:
    assert choose_engine("auto", (512, 512), shuffled=True).engine == "direct"
    assert choose_engine("auto", (512, 512)).engine == "lazy"


@pytest.mark.parametrize("after", [{"target": 0.08}, {"control": "stress", "target": 0.3}])
def test_a_load_goes_on_from_extremal_dynamics(after: dict[str, Any]) -> None:
    """There the stress is found anew from plastic strain, which a shuffled one does not follow."""
    first = {"control": "extremal", "until": {"strain": 0.05}}
    settings = {"lattice": {"shape": [8, 8]}, "kernel": {"type": "shuffled"}}
    tree = hpcepm.simulate({**settings, "loading": [first, after]})
    assert tree is not None
    last = tree["observables"].isel(record=-1, realization=0)
    assert float(last[after.get("control", "strain")]) == pytest.approx(after["target"])

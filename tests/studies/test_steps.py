"""Recorded steps are those of the run, and replayed they take what the cost model says."""

from pathlib import Path

import numpy as np
import pytest

from hpcepm.model import cost
from hpcepm.model.dynamics import Dynamics
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import glass
from tools.studies.steps.record import record
from tools.studies.steps.replay import PARTS, Machine, Replay
from tools.studies.steps.stream import Step, Stream, Sweep, enlarged

N = 64
STEPS = 400


def sheared(one_rank: Ranks) -> Dynamics:
    dynamics = Dynamics(Lattice((N, N), one_rank), glass(), "lazy")
    dynamics.shear(0.05)
    dynamics.take_avalanches()
    return dynamics


@pytest.fixture(scope="module")
def stream(one_rank: Ranks) -> Stream:
    return record(sheared(one_rank), STEPS)


def step(events: list[int], summed: list[int], look_ups: int, begins: bool = False) -> Step:
    rows, where = np.array(events, np.uint16), np.array(summed, np.uint16)
    return Step([Sweep(where, where, np.full(where.size, look_ups, np.uint16))], begins, rows)


def test_to_record_a_run_changes_none_of_its_numbers(one_rank: Ranks) -> None:
    recorded, alone = sheared(one_rank), sheared(one_rank)
    its = record(recorded, STEPS)
    alone.shear(1e9, int(recorded.state.macro["steps"][0] - alone.state.macro["steps"][0]))
    assert alone.state.macro.tobytes() == recorded.state.macro.tobytes()
    for name in ("epsilon_p", "sigma_c", "n_events", "evaluated"):
        one, other = (getattr(d.state.fields, name) for d in (alone, recorded))
        assert one.tobytes() == other.tobytes(), name
    assert len(its.steps) == STEPS


def test_what_is_recorded(stream: Stream) -> None:
    begins = [one.begins for one in stream.steps]
    assert 0.1 < np.mean(begins) < 0.9
    assert all(one.events.size == 1 for one in stream.steps if one.begins)
    assert all(1 <= one.events.size <= N * N for one in stream.steps)
    for one in (sweep for its in stream.steps for sweep in its.sweeps):
        assert one.summed.size == one.look_ups.size and (one.look_ups > 0).all()
        blocks = set((one.opened // 4).tolist())
        assert set((one.summed // 4).tolist()) <= blocks, "sites are in blocks that are opened"


def test_a_stream_is_kept_in_a_file(stream: Stream, tmp_path: Path) -> None:
    stream.save(tmp_path / "stream.npz")
    again = Stream.load(tmp_path / "stream.npz")
    assert again.shape == stream.shape and len(again.steps) == STEPS
    for one, other in zip(stream.steps, again.steps, strict=True):
        assert one.begins == other.begins and (one.events == other.events).all()
        for a, b in zip(one.sweeps, other.sweeps, strict=True):
            assert all((x == y).all() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("ranks", "nodes"), [(1, 1), (2, 1), (2, 2), (16, 4), (64, 8)])
def test_all_work_is_done_by_somebody(stream: Stream, ranks: int, nodes: int) -> None:
    alone, shared = Replay(stream, Machine(1)), Replay(stream, Machine(ranks, nodes))
    for part in ("window", "bounds", "search", "opened", "sums", "draws"):
        assert shared.fair_us[part] * ranks == pytest.approx(alone.fair_us[part]), part
        assert alone.us[part] == pytest.approx(alone.fair_us[part]), part
    assert sum(shared.us.values()) >= sum(shared.fair_us.values())
    assert set(shared.us) == set(PARTS)


def test_one_rank_takes_what_the_cost_model_says(stream: Stream) -> None:
    """On a lattice where the counts of the model, of larger ones, are not far off."""
    us = sum(Replay(stream, Machine(1)).per_event().values())
    assert us == pytest.approx(sum(cost.event_us((N, N), "lazy").values()), rel=0.3)


def test_a_node_with_all_the_sums_is_waited_for_unless_rows_are_dealt_out_in_turn() -> None:
    neighbours = Stream((2048, 2048), [step([0], [0, 16, 32, 48], 60_000)] * 3)
    row, turn = (Replay(neighbours, Machine(16, 4, in_turn=t)) for t in (False, True))
    assert row.us["sums"] == pytest.approx(4 * turn.us["sums"], rel=0.1)
    assert turn.us["sums"] == pytest.approx(turn.fair_us["sums"], rel=0.1)


@pytest.mark.parametrize("helps", ["collectively", "directly"])
def test_help_of_other_nodes_pays_where_messages_are_quick(helps: str) -> None:
    uneven = Stream((2048, 2048), [step([0], [0, 16, 32, 48], 60_000)] * 3)
    for network_us, pays in ((0.5, True), (2000.0, False)):
        alone = Machine(16, 4, network_us=network_us)
        helped = alone._replace(helps=helps)  # type: ignore[arg-type]
        without, with_help = (sum(Replay(uneven, m).us.values()) for m in (alone, helped))
        assert (with_help < 0.7 * without) == pays


def test_a_larger_lattice_has_more_to_do_in_a_step(stream: Stream) -> None:
    larger = enlarged(stream, 4)
    assert larger.shape == (4 * N, 4 * N)
    ratio = larger.n_events / len(larger.steps) / (stream.n_events / STEPS)
    assert ratio == pytest.approx(4**0.45, rel=0.05)
    for one in larger.steps:
        assert (one.events % 4 == 0).all() and one.events.max() < 4 * N

"""Checkpoints: which are kept, and what they hold for those that wait."""

from pathlib import Path

import numpy as np

from hpcepm.identity import Identity
from hpcepm.model.state import State
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage.checkpoint import UnderWay, read_early, write_checkpoint
from hpcepm.storage.checkpoints import Checkpoints, checkpoints_in, newest_checkpoint
from hpcepm.storage.plan import Plan, Rows
from hpcepm.storage.store import Store

IDENTITY = Identity.new()
PLAN = Plan((6, 5), (0.0, 0.1), (), (), True)


def written(folder: Path, number: int, one_rank: Ranks, **more: dict[int, object]) -> Path:
    """Write a checkpoint with realization 3 under way, if it does not wait in an older one."""
    lattice, waiting = Lattice((6, 5), one_rank), more.get("waiting", {})
    mine = UnderWay.of(3, State.blank(lattice), Rows.none(PLAN), 1, 0)
    store = Store(PLAN, IDENTITY.attributes())
    store.early = more.get("early", {})  # type: ignore[assignment]
    under_way = None if "waiting" in more else mine
    return write_checkpoint(folder, number, one_rank, lattice, under_way, store, waiting)  # type: ignore[arg-type]


def test_what_kept_checkpoints_refer_to_is_kept(tmp_path: Path, one_rank: Ranks) -> None:
    first = written(tmp_path, 1, one_rank)
    written(tmp_path, 2, one_rank)
    written(tmp_path, 3, one_rank, waiting={3: (first, 1, 0)})
    checkpoints = Checkpoints(tmp_path, IDENTITY.run, 2, None)
    checkpoints.wrote(written(tmp_path, 4, one_rank, waiting={}))
    assert [path.stem[-1] for path in checkpoints_in(tmp_path)] == ["4", "3", "1"]
    checkpoints.wrote(written(tmp_path, 5, one_rank, waiting={}))
    assert [path.stem[-1] for path in checkpoints_in(tmp_path)] == ["5", "4"]


def test_rows_of_realizations_finished_early_come_back(tmp_path: Path, one_rank: Ranks) -> None:
    rows = Rows.none(PLAN)._replace(observables=np.ones(2, PLAN.tables["observables"]))
    path = written(tmp_path, 1, one_rank, early={7: rows})
    header, problems = newest_checkpoint(tmp_path, one_rank)
    assert header is not None and not problems
    assert header.early == {7} and header.begun == {3: (path, 1, 0)}
    found = read_early(path, header.early, PLAN.tables)[7]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, rows, strict=True))

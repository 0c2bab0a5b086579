"""The lazy engine against the direct one over more than 10⁵ events.

The same events in the same steps, on any number of ranks.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.conftest import assert_on_ranks, assert_same_bits, datasets, settings_for

SHAPES = {(64, 64): 1.6, (97, 61): 1.2, (128, 128): 0.5, (256, 256): 0.15}
WHOLE_NUMBERS = ("events", "sites", "duration", "x", "y")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs of both engines; one launch for each number of ranks."""
    folder = tmp_path_factory.mktemp("exactness")
    for (nx, ny), target in SHAPES.items():
        output = {"observables": {"every": target / 4}, "fields": {"every": target}}
        settings = settings_for(
            (nx, ny), thresholds={"initial": "MCT"}, loading={"target": target}, output=output
        )
        (folder / f"{nx}x{ny}.yaml").write_text(yaml.safe_dump(settings))
    names = [f"{nx}x{ny}" for nx, ny in SHAPES]
    for engine, ranks in (("direct", 1), ("lazy", 1), ("lazy", 2), ("lazy", 3), ("lazy", 4)):
        assert_on_ranks("run_inputs", ranks, folder, engine, *names)
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_lazy_is_direct_event_by_event(results: Path, shape: tuple[int, int]) -> None:
    name = f"{shape[0]}x{shape[1]}"
    direct = datasets(results / f"{name} direct 1" / "run.h5")
    assert direct["observables/events"].max() > 100_000
    lazy = datasets(results / f"{name} lazy 1" / "run.h5")
    assert (lazy["fields/n_events"] == direct["fields/n_events"]).all()
    for column in WHOLE_NUMBERS:
        assert (lazy[f"avalanches/{column}"] == direct[f"avalanches/{column}"]).all()
    for column in ("strain", "stress", "slip"):
        assert np.allclose(
            lazy[f"avalanches/{column}"], direct[f"avalanches/{column}"], rtol=1e-10, atol=1e-12
        )
    for ranks in (2, 3, 4):
        assert_same_bits(results / f"{name} lazy 1", results / f"{name} lazy {ranks}")

"""The distributed convolution, against the distributed transform of mpi4py-fft."""

from pathlib import Path

import pytest

from tests.conftest import assert_on_ranks


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_it_is_that_of_pfft(ranks: int, tmp_path: Path) -> None:
    assert_on_ranks("pfft_witness", ranks, tmp_path)

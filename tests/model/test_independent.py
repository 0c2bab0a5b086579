"""The second program of the model.

Its own identities, and that it and hpcepm agree on small glasses.
"""

import numpy as np
import pytest
from hpcepm.run.realization import Realizations, SavePoint

from hpcepm.model.distributions import PRESETS
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import BULK, MU, glass
from tools.studies.independent.second_model import Glass, kernel_hat, shear

STRAINS = np.arange(0, 0.3 + 1e-9, 0.05)
REALIZATIONS = 300


@pytest.mark.parametrize("kernel", ["continuum", "finite_difference"])
def test_balance_of_stress(kernel: str) -> None:
    second = Glass(9, MU, BULK, (2.5, 1.2), (2.4, 1.1), 0.03, 0.02, kernel)  # type: ignore[arg-type]
    assert abs(np.fft.irfft2(kernel_hat(second), (9, 9)).sum()) < 1e-13
    found = shear(second, 5, STRAINS, 1)
    np.testing.assert_allclose(found["stress"], 2 * MU * (STRAINS - found["slip"] / 81), atol=1e-12)
    assert (found["avalanches"][:, -1] > 10).all() and (
        found["events"] >= found["avalanches"]
    ).all()


@pytest.mark.parametrize("kernel", ["continuum", "finite_difference"])
def test_both_programs_agree(one_rank: Ranks, kernel: str) -> None:
    """Means over realizations within 4.5 standard errors of their difference.

    There are 21 of them, twice.
    """
    second = Glass(
        8,
        MU,
        BULK,
        PRESETS["ESL"],
        PRESETS["MCT"],
        0.0276,
        0.0206,
        kernel,  # type: ignore[arg-type]
    )
    theirs = shear(second, REALIZATIONS, STRAINS, 7)
    many = Realizations(
        Lattice((8, 8), one_rank),
        glass(kernel=(kernel, "simple")),
        "direct",
        [SavePoint(strain) for strain in STRAINS],
    )
    kept = [many.shear(r) for r in range(REALIZATIONS)]
    ours = np.array([sheared.records for sheared in kept if sheared])
    for name in (
        "stress",
        "threshold_mean",
        "stress_variance",
        "strain_variance",
        "localization",
        "x_min",
        "avalanches",
    ):
        for record in (1, 3, 6):
            a, b = ours[name][:, record], theirs[name][:, record]
            error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / REALIZATIONS)
            assert abs(a.mean() - b.mean()) < 4.5 * error, (name, STRAINS[record])

"""The second program of the model: its own identities, and agreement with hpcepm."""

import numpy as np
import pytest

from hpcepm import simulate
from hpcepm.model.thresholds import PRESETS
from tests.model.test_dynamics import BULK, MU
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
def test_both_programs_agree(kernel: str) -> None:
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
    tree = simulate(
        {"lattice": {"shape": [8, 8]}, "loading": {"target": float(STRAINS[-1])}, "seed": 1},
        realizations=REALIZATIONS,
        elasticity={"shear_modulus": MU, "bulk_modulus": BULK},
        kernel={"type": kernel},
        thresholds={"initial": "ESL", "renewal": "MCT"},
        slip={"c0": 0.0276, "c1": 0.0206},
        output={"observables": {"every": float(STRAINS[1])}},
    )
    assert tree is not None
    ours = tree["observables"]
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
            a, b = ours[name].values[:, record], theirs[name][:, record]
            error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / REALIZATIONS)
            assert abs(a.mean() - b.mean()) < 4.5 * error, (name, STRAINS[record])

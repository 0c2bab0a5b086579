"""The step loop as plain Python, without numba's compiler: for a debugger, and for coverage.

``tools/coverage`` runs more tests so.
"""

from pathlib import Path

import pytest

from tests.conftest import Run, datasets, settings_for

SHAPES = {"direct": (8, 8), "spectral": (8, 8), "lazy": (2, 64)}  # lazy needs a side of 64


@pytest.mark.parametrize("engine", SHAPES)
def test_it_chooses_the_events_of_compiled_code(hpcepm: Run, tmp_path: Path, engine: str) -> None:
    """The last bits of functions such as log1p may differ between numpy and compiled code."""
    settings = settings_for(SHAPES[engine], engine=engine, loading={"target": 0.2})
    for name, disable_jit in (("compiled", "0"), ("plain", "1")):
        done = hpcepm(settings, "--quiet", "--output", name, NUMBA_DISABLE_JIT=disable_jit)
        assert (done.returncode, done.stderr) == (0, "")
    compiled, plain = (datasets(tmp_path / name / "run.h5") for name in ("compiled", "plain"))
    assert compiled["observables/events"].max() > 100 and compiled.keys() == plain.keys()
    for name, values in compiled.items():
        exact = values.dtype.kind == "i"
        assert plain[name] == pytest.approx(values, rel=0 if exact else 1e-9, abs=1e-12), name

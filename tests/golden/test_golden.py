"""Golden bits: every dataset of some 60 runs is as it always was.

On 1 to 4 ranks, and some on one of these in parts. ``golden.json`` holds two things for each input.
*Exact*: a digest of each dataset, for each kind of processor and libraries that it was recorded on,
told apart by `platform_bits`. *Everywhere*: a digest of all whole numbers, and the last stress and
plastic strain, which hold on any processor. To record another platform, or numbers that were
changed on purpose:

    python -m tests.golden.test_golden
"""

import hashlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import scipy.fft
import scipy.special
from mpi4py_fft import fftw

from tests.conftest import datasets, run_python

from .cases import CASES, RANKS, RANKS_OF_PARTS, write_inputs

RECORDED: Final = Path(__file__).with_name("golden.json")
ROOT: Final = Path(__file__).parents[2]


def digest(*parts: bytes) -> str:
    """Return the first digits of a digest."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def platform_bits() -> str:
    """Return a digest of what the C library, scipy and FFTW make of some numbers here."""
    numbers = np.random.default_rng(0).random((36, 50))
    functions = (math.log1p, math.exp, math.log, lambda x: x**0.37, math.sin)
    by_libm = [f(x) for f in functions for x in numbers.ravel().tolist()]
    by_scipy = (
        scipy.special.ndtri(numbers),
        scipy.special.gammaincinv(2.5, numbers),
        scipy.fft.irfft(numbers),
    )
    there, back = fftw.aligned((36, 50), dtype=float), fftw.aligned((36, 26), dtype=complex)
    transform = fftw.rfftn(there, axes=(1,), flags=(fftw.FFTW_ESTIMATE,), output_array=back)
    there[...] = numbers
    transform()
    columns = fftw.aligned((26, 36), dtype=complex)
    along_x = fftw.fftn(columns, axes=(1,), flags=(fftw.FFTW_ESTIMATE,), output_array=columns)
    columns[...] = back.T
    along_x()
    return digest(
        np.array(by_libm).tobytes(),
        *(a.tobytes() for a in by_scipy),
        back.tobytes(),
        columns.tobytes(),
    )


def exact(found: dict[str, Any]) -> dict[str, str]:
    """Return a digest of each dataset."""
    return {
        name: digest(str(values.dtype).encode(), repr(values.shape).encode(), values.tobytes())
        for name, values in found.items()
    }


def everywhere(found: dict[str, Any]) -> dict[str, Any]:
    """Return what does not depend on the last bits of a processor's arithmetic."""
    others = sorted((name, of) for name, of in found.items() if not name.startswith("events/"))
    whole = [values.tobytes() for _, values in others if values.dtype.kind == "i"]
    last = np.array(found.get("observables/records", 0)) - 1  # of each realization
    ends = {
        name: np.asarray(found[f"observables/{name}"])[np.arange(last.size), last].tolist()
        if last.ndim
        else np.asarray(found[f"observables/{name}"])[:, -1].tolist()
        for name in ("stress", "plastic_strain")
    }
    return {"whole numbers": digest(*whole), **ends}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of all inputs; one launch for each number of ranks."""
    folder = tmp_path_factory.mktemp("golden")
    make(folder)
    return folder


def make(folder: Path, all_ranks: tuple[int, ...] = RANKS) -> None:
    write_inputs(folder)
    for ranks in all_ranks:
        done = run_python(
            ["-m", "tests.golden.run_all", str(ranks)],
            ranks,
            folder,
            timeout=1800,  # code that is not compiled yet takes a minute or two, a dozen times
            PYTHONPATH=str(ROOT),
        )
        assert done.returncode == 0, done.stderr[-2000:]


def test_every_input_is_recorded() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert len(CASES) >= 30 and recorded["everywhere"].keys() == CASES.keys()
    assert all(of.keys() == CASES.keys() for of in recorded["exact"].values())


@pytest.mark.parametrize("name", CASES)
def test_golden_bits(results: Path, name: str) -> None:
    recorded = json.loads(RECORDED.read_text())
    runs = [f"{name} on {ranks}" for ranks in RANKS]
    if name in RANKS_OF_PARTS:
        runs.append(f"{name} in parts on {RANKS_OF_PARTS[name]}")
    found = {run: datasets(results / run / "run.h5") for run in runs}
    first = found[f"{name} on 1"]
    uneven = len(set(np.ravel(first.get("observables/records", 0)).tolist())) > 1
    assert first["observables/events"].max() > 0
    assert uneven or not any(np.isnan(v).any() for v in first.values())
    said = everywhere(first)
    assert said.pop("whole numbers") == recorded["everywhere"][name].pop("whole numbers")
    for key, values in said.items():
        assert values == pytest.approx(recorded["everywhere"][name][key], rel=1e-9), key
    expected = recorded["exact"].get(platform_bits(), {}).get(name) or exact(
        first
    )  # elsewhere: ranks and parts agree
    for run, those in found.items():
        assert exact(those) == expected, run


def record() -> None:
    """Write down what this version computes on this platform."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"exact": {}}
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), (1,))
        found = {case: datasets(Path(name) / f"{case} on 1" / "run.h5") for case in CASES}
    recorded["exact"][platform_bits()] = {case: exact(those) for case, those in found.items()}
    recorded["everywhere"] = {case: everywhere(those) for case, those in found.items()}
    RECORDED.write_text(json.dumps(recorded, indent=0) + "\n")


if __name__ == "__main__":
    record()

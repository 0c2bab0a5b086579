"""What a result came from: versions of what touches its bits, and the commit of this program."""

import ctypes
import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import mpi4py_fft.fftw.fftw_xfftn as fftw
import numpy as np
from mpi4py import MPI

from hpcepm import __version__
from hpcepm.input.plugins import LOADED, resolved
from hpcepm.model.glass import age, disorder_strength

if TYPE_CHECKING:
    from .run import Run


def of_run(run: "Run") -> dict[str, Any]:
    """Return the root attributes of a ``run.h5``."""
    glass = run.glass
    return {
        **run.versions,
        "input": run.read.text,
        "input_resolved": resolved(run.settings),
        **({"plugins": json.dumps([p._asdict() for p in LOADED.values()])} if LOADED else {}),
        "seed": np.uint64(glass.seed),
        "ranks": run.world.size,
        "engine": run.choice.engine,
        "disorder_strength": disorder_strength(glass),
        "age": age(run.mean_initial, glass.renewal),
        "created": run.created,
    }


def versions() -> dict[str, str]:
    """Return the versions of the software stack, by name."""
    return {
        "hpcepm_version": __version__,
        "git_commit": _git_commit(),
        "numpy_version": np.__version__,
        "mpi4py_version": version("mpi4py"),
        "mpi_library": MPI.Get_library_version().split(",")[0].split("\n")[0].strip("\0 "),
        "fftw_version": _fftw_version(),
        "hdf5_version": h5py.version.hdf5_version,
    }


def _fftw_version() -> str:
    try:
        text = ctypes.c_char * 64
        return text.in_dll(ctypes.CDLL(fftw.__file__), "fftw_version").value.decode()
    except (OSError, ValueError):
        return "unknown"


def _git_commit() -> str:
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"

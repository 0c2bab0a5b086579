"""What a result came from: all that touches its bits, and the commit of this program."""

import ctypes
import hashlib
import json
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py
import llvmlite
import llvmlite.binding as llvm
import mpi4py
import mpi4py_fft
import mpi4py_fft.fftw.fftw_xfftn as fftw
import numba
import numpy as np
import scipy
from mpi4py import MPI
from numba.core.codegen import get_host_cpu_features

from hpcepm import __version__
from hpcepm.input.plugins import LOADED
from hpcepm.model.glass import age, disorder_strength
from hpcepm.parallel.cache import digest_of_file
from hpcepm.parallel.compiled import IN_PYTHON

if TYPE_CHECKING:
    from .run import Run

PACKAGE: Final = Path(__file__).resolve().parents[1]
JOBS: Final = PACKAGE.parent / "jobs"
GIT_SECONDS: Final = 2.5  # for each of two calls

SHOWN: Final = (
    "hpcepm_version",
    "git_commit",
    "numpy_version",
    "numba_version",
    "mpi4py_version",
    "mpi_library",
    "fftw_version",
    "hdf5_version",
)
"""Which of the `versions` a header has room for."""

OF_THE_PROGRAM: Final = ("hpcepm_version", "git_commit", "source_sha256")


def of_run(run: "Run") -> dict[str, Any]:
    """Return the root attributes of a ``run.h5``, but for those of its `hpcepm.identity`."""
    glass = run.glass
    return {
        **run.versions,
        "input": run.read.text,
        **plugins(),
        "seed": np.uint64(glass.seed),
        "ranks": run.world.size,
        "engine": run.choice.engine,
        "disorder_strength": disorder_strength(glass),
        "age": age(run.mean_initial, glass.renewal),
    }


@cache
def versions() -> Mapping[str, str]:
    """Return all that touches numbers beside the input, by name: software and processor.

    Once for all runs of a process, for they are of what it has loaded.
    """
    modules = np, scipy, numba, llvmlite, mpi4py, mpi4py_fft
    return {
        "hpcepm_version": __version__,
        "git_commit": git_commit(PACKAGE),
        "source_sha256": source_digest(PACKAGE),
        "python_version": platform.python_version(),
        **{f"{module.__name__}_version": module.__version__ for module in modules},
        "mpi_library": MPI.Get_library_version().split(",")[0].split("\n")[0].strip("\0 "),
        "fftw_version": _fftw_version(),
        "hdf5_version": h5py.version.hdf5_version,
        "libc_version": " ".join(platform.libc_ver()).strip() or "unknown",
        **processor(),
    }


def plugins() -> dict[str, str]:
    """Return the files of a user that were loaded, as an attribute, if there are any."""
    return {"plugins": json.dumps([one._asdict() for one in LOADED.values()])} if LOADED else {}


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between the `versions` of two parts of a run, a line for each."""
    lines = []
    for name in dict.fromkeys([*before, *now]):
        was, is_now = before.get(name, "unknown"), now.get(name, "unknown")
        if was != is_now:
            what = "results" if name in OF_THE_PROGRAM else "last bits"
            lines.append(f"{name}: was {was}, is now {is_now}: {what} may differ")
    return lines


def processor() -> dict[str, str]:
    """Return the processor of this rank, and what of it libraries use.

    FFTW and the C library choose code by the processor itself (``GLIBC_TUNABLES`` can forbid the
    latter some), numpy by its own list (``NPY_DISABLE_CPU_FEATURES``), numba by that of LLVM
    (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``, ``NUMBA_ENABLE_AVX``).
    """
    of_numpy: Any = import_module("numpy._core._multiarray_umath")
    known = [*of_numpy.__cpu_baseline__, *of_numpy.__cpu_dispatch__]
    host, here = llvm.get_host_cpu_name(), get_host_cpu_features()
    target, features = numba.config.CPU_NAME or host, numba.config.CPU_FEATURES
    compiled_for = f"{target}: {_vector_features(here if features is None else features)}"
    return {
        "cpu": f"{host}: {_vector_features(here)}",
        "cpu_of_numpy": " ".join(one for one in known if of_numpy.__cpu_features__.get(one)),
        "cpu_of_numba": "not used (NUMBA_DISABLE_JIT)" if IN_PYTHON else compiled_for,
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES") or "none",
    }


def _vector_features(features: str) -> str:
    """Return those of ``+avx2,-fma4,…`` that are on and compute with numbers of 64 bits."""
    pattern = r"\+(avx2?|avx512(?:f|dq|vl)|avx10[^,]*|fma4?|neon|sve[^,]*)(?=,|$)"
    return " ".join(re.findall(pattern, features)) or "none"


def _fftw_version() -> str:
    try:
        text = ctypes.c_char * 64
        return text.in_dll(ctypes.CDLL(fftw.__file__), "fftw_version").value.decode()
    except (OSError, ValueError):
        return "unknown"


def source_digest(package: Path) -> str:
    """Return a digest of the program as it is installed, whatever git says."""
    each = (digest_of_file(str(path)) for path in sorted(package.rglob("*.py")))
    return hashlib.sha256(b"".join(each)).hexdigest()[:16]


def git_commit(package: Path) -> str:
    """Return the commit of the checkout that a package lies in, ``-dirty`` if it was edited.

    ``unknown`` where it is no checkout of this program: the repository around an installed package
    is another project's.
    """
    top = package.parent
    try:
        project = tomllib.loads((top / "pyproject.toml").read_text())["project"]["name"]
        if project != package.name or not (top / ".git").exists():
            return "unknown"
        there, commit = _git(top, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        listed = _git(top, "ls-tree", "-r", "-z", commit, f"{package.name}/").split("\0")[:-1]
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return "unknown"
    blobs = {path: about.split()[2] for about, _, path in (one.partition("\t") for one in listed)}
    if Path(there) != top or f"{package.name}/__init__.py" not in blobs:
        return "unknown"
    files = {str(path.relative_to(top)): path for path in package.rglob("*.py")}
    python = {path for path in blobs if path.endswith(".py")}
    same = python == set(files) and all(_is_blob(files[path], blobs[path]) for path in python)
    return commit if same else f"{commit}-dirty"


def _is_blob(path: Path, name: str) -> bool:
    """Return whether a file is as git has it.

    ``git status`` would tell, but may run filters that the configuration of the repository names.
    """
    content = path.read_bytes()
    kind = hashlib.sha1 if len(name) == 40 else hashlib.sha256
    return kind(b"blob %d\0" % len(content) + content).hexdigest() == name


def _git(top: Path, *arguments: str) -> str:
    """Return what git says of the checkout at ``top``, and of no other.

    Variables of the caller, as in a hook of git, could name another one.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    settings = "core.fsmonitor=false", "core.hooksPath=/dev/null", f"safe.directory={top}"
    options = [part for setting in settings for part in ("-c", setting)]
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=top,
        env={**clean, "GIT_CEILING_DIRECTORIES": str(top.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    ).stdout

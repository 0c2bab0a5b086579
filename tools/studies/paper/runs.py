"""Run what is not there yet: one ensemble after the other, under mpiexec, with a bar for all of them."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import yaml

from hpcepm.text import bar, duration

from .sets import Run


class RunFailed(Exception):
    """An ensemble ended early; the program said why. ``code`` is its exit code."""

    def __init__(self, run: Run, code: int) -> None:
        super().__init__(f"{run.name} ended with exit code {code} (its message is above)")
        self.code = code


def is_done(run: Run, directory: Path, realizations: int) -> bool:
    """Return whether a directory holds this run, with so many realizations."""
    try:
        with h5py.File(directory / "run.h5", "r") as file:
            settings = json.loads(file.attrs["input_resolved"])
            same_input = yaml.safe_load(file.attrs["input"]) == yaml.safe_load(
                run.input.read_text()
            )
            enough = len(file["observables/stress"]) >= realizations
    except (OSError, KeyError):
        return False
    return bool(
        same_input and enough and (settings["seed"], settings["slip"]["c0"]) == (run.seed, run.c0)
    )


def command(run: Run, directory: Path, realizations: int, ranks: int) -> list[str]:
    """Return the command line that makes an ensemble, or goes on with it."""
    launcher = (
        os.environ.get("MPIEXEC")
        or shutil.which("mpiexec.openmpi")
        or shutil.which("mpiexec")
        or "mpiexec"
    )
    version = subprocess.run([launcher, "--version"], capture_output=True, text=True).stdout
    options = (
        ["--oversubscribe", "--quiet"]
        if any(name in version for name in ("Open MPI", "OpenRTE", "prrte"))
        else []
    )
    if options and os.getuid() == 0:
        options.append("--allow-run-as-root")
    changes = [f"seed={run.seed}", f"slip.c0={run.c0:g}", f"realizations={realizations}"]
    program = [
        sys.executable,
        "-m",
        "hpcepm",
        str(run.input),
        *(word for change in changes for word in ("--set", change)),
    ]
    return [
        launcher,
        *options,
        "-n",
        str(ranks),
        *program,
        "--output",
        str(directory),
        "--continue",
        "--quiet",
    ]


def make(runs: list[Run], folder: Path, realizations: int, ranks: int) -> None:
    """Make all ensembles that are not there yet, each in a directory of ``folder``.

    Raises
    ------
    RunFailed
        One ended early. What was done stands, and is gone on with the next time.
    """
    began = time.monotonic()
    missing = [run for run in runs if not is_done(run, folder / run.name, realizations)]
    for k, run in enumerate(missing):
        left = (
            f", {duration((time.monotonic() - began) / k * (len(missing) - k))} left" if k else ""
        )
        _show(k / len(missing), f"{k}/{len(missing)} ensembles{left}: {run.name}")
        code = subprocess.run(command(run, folder / run.name, realizations, ranks)).returncode
        if code:
            raise RunFailed(run, code)
    there = len(runs) - len(missing)
    _show(
        1.0,
        f"{len(missing)} ensembles in {duration(time.monotonic() - began)}{f', {there} were there' if there else ''}",
    )
    if sys.stdout.isatty():
        print()


def _show(fraction: float, text: str) -> None:
    live = sys.stdout.isatty()
    print(f"\r\033[K{bar(fraction)} {text}" if live else text, end="" if live else "\n", flush=True)

"""What is run: steady flow of a poorly annealed glass on lattices of several sizes, and shear bands of a well annealed one."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import yaml

KERNELS: Final = ("continuum", "finite_difference")
REALIZATIONS: Final = {16: 400, 32: 200, 64: 60, 128: 16, 256: 6, 512: 3}
"""How many of each N."""

FLOW: Final = {
    "elasticity": {"shear_modulus": 14.7, "bulk_modulus": 52.0},
    "thresholds": {"initial": "MCT", "renewal": "MCT"},
    "slip": {"c0": 0.0276, "c1": 0.0206},
    "loading": {"target": 0.5},
    "output": {
        "observables": {"every": 0.025},
        "fields": {"every": 0.025, "names": ["sigma", "sigma_c", "epsilon_p"]},
        "avalanches": True,
    },
}
BAND: Final = {
    "elasticity": {"shear_modulus": 19.0, "bulk_modulus": 55.0},
    "thresholds": {"initial": "GQ", "renewal": "MCT"},
    "slip": {"c0": 0.0235, "c1": 0.0163},
    "loading": {"target": 1.0},
    "output": {"observables": {"every": 0.025}, "avalanches": False},
}
BAND_SIZE: Final = 128
BAND_REALIZATIONS: Final = 8


@dataclass(frozen=True)
class Run:
    """Several realizations of a glass, and the directory that they are kept in."""

    path: Path
    kernel: str
    size: int
    realizations: int
    glass: dict[str, Any]

    @property
    def file(self) -> Path:
        """What the run wrote."""
        return self.path / "run.h5"

    @property
    def two_mu(self) -> float:
        """2μ."""
        return 2 * float(self.glass["elasticity"]["shear_modulus"])

    @property
    def longitudinal(self) -> float:
        """μ/(K + μ): how much stiffer matter is against pressure waves than against shear, inverted."""
        mu, bulk = (
            float(self.glass["elasticity"]["shear_modulus"]),
            float(self.glass["elasticity"]["bulk_modulus"]),
        )
        return mu / (bulk + mu)

    def make(self) -> None:
        """Run what is missing of it.

        Raises
        ------
        subprocess.CalledProcessError
            The run failed, or was stopped.
        """
        settings = {
            "lattice": {"shape": [self.size, self.size]},
            "kernel": {"type": self.kernel},
            "realizations": self.realizations,
            **self.glass,
        }
        if self._is_done(settings):
            return
        source = self.path.with_suffix(".yaml")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(yaml.safe_dump(settings, sort_keys=False))
        command = [
            sys.executable,
            "-m",
            "hpcepm",
            str(source),
            "--output",
            str(self.path),
            "--continue",
            "--quiet",
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.stderr.write(done.stderr)
            done.check_returncode()

    def _is_done(self, settings: dict[str, Any]) -> bool:
        try:
            with h5py.File(self.file, "r") as file:
                return bool(
                    file.attrs["finished"] and yaml.safe_load(file.attrs["input"]) == settings
                )
        except (OSError, KeyError):
            return False


def flow_runs(folder: Path, kernel: str) -> list[Run]:
    """Return the runs of steady flow, N ascending."""
    return [
        Run(folder / f"{kernel}-{size}", kernel, size, n, FLOW) for size, n in REALIZATIONS.items()
    ]


def band_run(folder: Path, kernel: str) -> Run:
    """Return the run whose shear bands are measured."""
    return Run(folder / f"{kernel}-band", kernel, BAND_SIZE, BAND_REALIZATIONS, BAND)

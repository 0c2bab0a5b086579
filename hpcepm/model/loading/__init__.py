"""Loadings: what the outside does to a glass. One file each; to add one, a line here too."""

from .base import Loading, drop_of, load_at, loading, strain_of, stress_of, trigger
from .extremal import Extremal
from .machine import Machine
from .path import Cycles, Path
from .sine import Sine, SineOfStrain, SineOfStress
from .strain import Strain
from .stress import Stress
from .until import NO_RULE, Until

__all__ = [
    "NO_RULE",
    "Cycles",
    "Extremal",
    "Loading",
    "Machine",
    "Path",
    "Sine",
    "SineOfStrain",
    "SineOfStress",
    "Strain",
    "Stress",
    "Until",
    "drop_of",
    "load_at",
    "loading",
    "strain_of",
    "stress_of",
    "trigger",
]

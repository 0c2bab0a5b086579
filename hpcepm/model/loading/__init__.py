"""Loadings: what the outside does to a glass. One file each; to add one, a line here too."""

from .base import Loading, loading, strain_of, stress_of, trigger
from .extremal import Extremal
from .machine import Machine
from .strain import Strain
from .stress import Stress

__all__ = [
    "Extremal",
    "Loading",
    "Machine",
    "Strain",
    "Stress",
    "loading",
    "strain_of",
    "stress_of",
    "trigger",
]

"""Loadings: what the outside does to a glass. One file each; to add one, a line here too.

An input can ask for strain control, and those of plug-ins. The others are for `Dynamics`, until
runs can record by another variable than the load.
"""

from .base import Loading, loading, strain_of, stress_of, trigger
from .extremal import Extremal
from .machine import Machine
from .path import Cycles, Segments
from .strain import Strain
from .stress import Stress

__all__ = [
    "Cycles",
    "Extremal",
    "Loading",
    "Machine",
    "Segments",
    "Strain",
    "Stress",
    "loading",
    "strain_of",
    "stress_of",
    "trigger",
]

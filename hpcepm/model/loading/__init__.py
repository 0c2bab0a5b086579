"""Loadings: what the outside does to a glass. One file each; to add one, a line here too.

An input can ask for strain control, and those of plug-ins. The others are for `Dynamics`, until
runs can record by another variable than the load.
"""

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

"""Loadings: what the outside does to a glass. One file each; to add one, a line here too."""

from .base import Loading, loading, stress_of, trigger
from .strain import Strain

__all__ = ["Loading", "Strain", "loading", "stress_of", "trigger"]

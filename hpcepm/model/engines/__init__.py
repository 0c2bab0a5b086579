"""Engines: three ways to redistribute stress, one dynamics.

An engine says which sites are unstable, and all engines must say the same. The compiled step loop
of `hpcepm.model.loop` calls it through the functions of `hpcepm.model.engines.base`. An engine is

* a ``NamedTuple`` of its arrays, for the compiled loop, and compiled functions bound to that type;
* an `Engine`, which makes those arrays and does what needs Python, such as a distributed FFT.

To add one: write a module like ``direct.py``, and add a line to `ENGINES`. `hpcepm.model.choice`
decides what ``engine: auto`` means.
"""

from .base import Engine
from .direct import DirectEngine
from .lazy.engine import LazyEngine
from .spectral import SpectralEngine

ENGINES: dict[str, type[Engine]] = {
    "spectral": SpectralEngine,
    "direct": DirectEngine,
    "lazy": LazyEngine,
}

__all__ = ["ENGINES", "Engine"]

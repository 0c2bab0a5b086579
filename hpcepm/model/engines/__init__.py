"""Engines: three ways to redistribute stress, one dynamics.

An engine answers one question, which sites are unstable now, and all must give the same answer. The
step loop of `hpcepm.dynamics` is compiled and asks through the functions of `hpcepm.engines.base`;
an engine is

* a ``NamedTuple`` of the arrays that it works on, for the compiled loop, and compiled functions
  bound to that type;
* an `Engine`, which makes those arrays and does what needs Python (a distributed FFT) when the loop
  asks for it.

To add one: a module like ``direct.py``, and a line in `ENGINES`. `choose` is where ``engine: auto``
decides.
"""

from .base import Engine
from .choice import Choice, choose_engine
from .direct import DirectEngine
from .lazy.engine import LazyEngine
from .spectral import SpectralEngine

ENGINES: dict[str, type[Engine]] = {
    "spectral": SpectralEngine,
    "direct": DirectEngine,
    "lazy": LazyEngine,
}

__all__ = [
    "ENGINES",
    "Choice",
    "DirectEngine",
    "Engine",
    "LazyEngine",
    "SpectralEngine",
    "choose_engine",
]

"""Clocks: what time is. One file each; to add one, a line here too.

Without a clock a run is quasi-static: a site yields when it must, and no time passes.
"""

from .base import Clock, clock
from .maxwell import Maxwell
from .rate import Rate
from .thermal import Thermal

__all__ = ["Clock", "Maxwell", "Rate", "Thermal", "clock"]

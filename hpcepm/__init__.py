"""hpcepm: large-lattice elasto-plastic models of amorphous plasticity, parallel with MPI.

    tree = hpcepm.simulate("inputs/esl.yaml", slip={"c1": 0.02}, realizations=8)
    tree = hpcepm.open("runs/esl")
    for snapshot in hpcepm.steps("inputs/esl.yaml"): ...

Names are imported when they are first used: looking at a run needs neither MPI nor a compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hpcepm.analysis.results import open_tree as open  # noqa: A004
    from hpcepm.input.problems import InputError
    from hpcepm.run.api import simulate, steps

_PLACES: Final = {
    "InputError": "hpcepm.input.problems:InputError",
    "open": "hpcepm.analysis.results:open_tree",
    "simulate": "hpcepm.run.api:simulate",
    "steps": "hpcepm.run.api:steps",
}
__all__ = ["InputError", "__version__", "open", "simulate", "steps"]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _PLACES:
        raise AttributeError(f"module 'hpcepm' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

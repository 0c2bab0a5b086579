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
    from hpcepm.analysis.tree import open_tree
    from hpcepm.faults import NoRun as NoRun
    from hpcepm.input.plugins import load_plugin as load_plugin
    from hpcepm.input.problems import InputError as InputError
    from hpcepm.model.distributions import distribution as distribution
    from hpcepm.model.kernel import kernel as kernel
    from hpcepm.model.loading import loading as loading
    from hpcepm.model.observables import observable as observable
    from hpcepm.model.registry import FileName as FileName
    from hpcepm.model.registry import Fraction as Fraction
    from hpcepm.model.registry import NotNegative as NotNegative
    from hpcepm.model.registry import Number as Number
    from hpcepm.model.registry import Positive as Positive
    from hpcepm.model.slip import slip as slip
    from hpcepm.run.api import simulate as simulate
    from hpcepm.run.api import steps as steps
    from hpcepm.run.run import RunFailed as RunFailed
    from hpcepm.run.run import RunStopped as RunStopped
    from hpcepm.storage.directory import DirectoryTaken as DirectoryTaken
    from hpcepm.storage.directory import DirectoryUnusable as DirectoryUnusable

    open = open_tree

_PLACES: Final = {
    "DirectoryTaken": "hpcepm.storage.directory:DirectoryTaken",
    "DirectoryUnusable": "hpcepm.storage.directory:DirectoryUnusable",
    "FileName": "hpcepm.model.registry:FileName",
    "Fraction": "hpcepm.model.registry:Fraction",
    "InputError": "hpcepm.input.problems:InputError",
    "NoRun": "hpcepm.faults:NoRun",
    "NotNegative": "hpcepm.model.registry:NotNegative",
    "Number": "hpcepm.model.registry:Number",
    "Positive": "hpcepm.model.registry:Positive",
    "RunFailed": "hpcepm.run.run:RunFailed",
    "RunStopped": "hpcepm.run.run:RunStopped",
    "distribution": "hpcepm.model.distributions:distribution",
    "kernel": "hpcepm.model.kernel:kernel",
    "load_plugin": "hpcepm.input.plugins:load_plugin",
    "loading": "hpcepm.model.loading:loading",
    "observable": "hpcepm.model.observables:observable",
    "open": "hpcepm.analysis.tree:open_tree",
    "simulate": "hpcepm.run.api:simulate",
    "slip": "hpcepm.model.slip:slip",
    "steps": "hpcepm.run.api:steps",
}
__all__ = sorted([*_PLACES, "__version__"])


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _PLACES:
        raise AttributeError(f"module 'hpcepm' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__

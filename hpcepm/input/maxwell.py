"""What an input with ``clock: maxwell`` cannot have besides."""

from typing import TYPE_CHECKING

from hpcepm.model.kernel import Shuffled
from hpcepm.model.slip import slip as slips
from hpcepm.model.yielding.rule import Yielding

from .problems import Path
from .sections import problem_at, refuse

if TYPE_CHECKING:
    from .schema import Input


def check_maxwell(settings: "Input") -> None:
    """Refuse what says nothing of Maxwell sites, or cannot be.

    Raises
    ------
    ValidationError
        With where it is wrong.
    """
    found: dict[Path, str] = {}
    if settings.engine not in ("auto", "spectral"):
        found["engine",] = (
            f"{settings.engine} goes from event to event, and Maxwell sites flow together, by a "
            "convolution a step; write spectral, or auto"
        )
    if settings.yielding.rule() != Yielding():
        found["yielding",] = (
            "a Maxwell site yields where |σ| > σ_c, to both sides, and has a new threshold when it "
            "turns elastic; leave the section out"
        )
    if settings.slip != slips["exponential"]():
        found["slip",] = "Maxwell sites slip at the rate σ/(2μτ), as clock.tau says; leave it out"
    if isinstance(settings.kernel, Shuffled):
        found["kernel", "type"] = "shuffled is of events, and Maxwell sites flow; take another"
    if settings.output.avalanches and "avalanches" in settings.output.model_fields_set:
        found["output", "avalanches"] = "Maxwell sites flow, and have no avalanches; leave it out"
    if settings.output.events:
        found["output", "events"] = "Maxwell sites flow, and have no single slips; leave it out"
    refuse([problem_at(place, said) for place, said in found.items()])

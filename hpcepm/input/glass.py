"""From a valid input to the glass that it describes."""

from typing import Any

from hpcepm.model.distributions import GivenField, preset
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel
from hpcepm.model.loading import Loading
from hpcepm.model.registry import with_data
from hpcepm.model.slip import SlipLaw, ToStress
from hpcepm.parallel.rows import Lattice

from .named_files import read_field_rows
from .read import ReadInput, section_of


def glass_of(read: ReadInput, lattice: Lattice) -> Glass:
    """Return what an input describes; of a field of thresholds, the rows of this rank."""
    settings = read.settings
    mu, bulk = settings.elasticity.shear_modulus, settings.elasticity.bulk_modulus
    initial = _section(read, "thresholds.initial")
    if isinstance(initial, GivenField):
        initial = read_field_rows(initial.file, read.folder, lattice)
    return Glass(
        Kernel(_section(read, "kernel"), mu / (1 + mu / bulk)),
        mu,
        initial,
        _section(read, "thresholds.renewal"),
        _slip_law(read, mu / (1 + mu / bulk)),
        settings.initial_stress.std,
        settings.seed,
        realization=0,
        yielding=settings.yielding.rule(),
    )


def _slip_law(read: ReadInput, mu_star: float) -> SlipLaw:
    law: SlipLaw = _section(read, "slip")
    return with_data(law, mu_star) if isinstance(law, ToStress) else law


def loading_of(read: ReadInput) -> Loading:
    """Return the loading that an input asks for."""
    asked: Loading = _section(read, "loading")
    return asked


def _section(read: ReadInput, key: str) -> Any:
    """Return a section, with what its files hold."""
    section = section_of(read.settings, key)
    if isinstance(section, str):
        return preset(section)
    return with_data(section, read.data[key]) if key in read.data else section

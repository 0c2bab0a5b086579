"""From a valid input to the glass that it describes."""

from typing import Any

from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel
from hpcepm.model.loading import Loading
from hpcepm.model.regions import Region
from hpcepm.model.registry import with_data
from hpcepm.model.slip import SlipLaw, ToStress
from hpcepm.model.thresholds import GivenField
from hpcepm.parallel.rows import Lattice, LocalField
from hpcepm.reading import BadFile

from .named_files import NamedFiles, read_field_rows
from .read import ReadInput, filled
from .schema import Input


def glass_of(read: ReadInput, lattice: Lattice) -> Glass:
    """Return what an input describes; of fields that it names, the rows of this rank."""
    settings = read.settings
    initial, backward = _section(read, "thresholds.initial"), None
    if isinstance(initial, GivenField):
        backward = _rows(read, initial.file_backward, lattice)
        initial = _rows(read, initial.file, lattice)
    return Glass(
        Kernel(_section(read, "kernel"), mu_star(settings)),
        settings.elasticity.shear_modulus,
        initial,
        _section(read, "thresholds.renewal"),
        _slip_law(read),
        settings.initial_stress.std,
        settings.seed,
        realization=0,
        yielding=settings.yielding.rule(),
        initial_backward=backward,
        regions=_regions(read),
        plastic_strain=_rows(read, settings.initial_plastic_strain, lattice),
    )


def _rows(read: ReadInput, name: str | None, lattice: Lattice) -> LocalField | None:
    """Return the rows of this rank of a field file, which must be what it was when it was read."""
    if not name:
        return None
    again = NamedFiles(read.folder, lattice.shape)
    try:
        rows = read_field_rows(name, read.folder, lattice)
        if lattice.ranks.is_root:
            again.check_field(name)
    except ValueError as error:
        raise BadFile(str(error)) from None
    found = again.digests.get(name)
    if found and found != read.files.get(name, found):
        raise BadFile(f"{name}: was changed while the run began; start it again")
    return rows


def _regions(read: ReadInput) -> tuple[Region, ...]:
    return tuple(
        one.region(_section(read, f"regions.{number}.thresholds.draw"))
        for number, one in enumerate(read.settings.regions or ())
    )


def mu_star(settings: Input) -> float:
    """Return μ* = μ/(1 + μ/K), in units of stress."""
    mu, bulk = settings.elasticity.shear_modulus, settings.elasticity.bulk_modulus
    return mu / (1 + mu / bulk)


def mean_slip(read: ReadInput) -> float:
    """Return ε̄₀, the mean slip of sites that have yielded before."""
    return _slip_law(read).mean(_section(read, "thresholds.renewal"))


def _slip_law(read: ReadInput) -> SlipLaw:
    law: SlipLaw = _section(read, "slip")
    return with_data(law, mu_star(read.settings)) if isinstance(law, ToStress) else law


def loading_of(read: ReadInput) -> Loading:
    """Return the loading that an input asks for."""
    asked: Loading = _section(read, "loading")
    return asked


def _section(read: ReadInput, key: str) -> Any:
    return filled(read.settings, read.data, key)

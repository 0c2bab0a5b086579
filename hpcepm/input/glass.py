"""From a valid input to the glass that it describes."""

from hpcepm.model.disorder import CONSTANT_SLIP, EXPONENTIAL_SLIP, Distribution, SlipLaw, preset
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel
from hpcepm.parallel.rows import Lattice, LocalField

from .named_files import read_field_rows
from .read import ReadInput
from .schema import FieldInput, ThresholdInput


def glass_of(read: ReadInput, lattice: Lattice) -> Glass:
    """Return what an input describes; of a field of thresholds, this rank's slab."""
    settings = read.settings
    mu, bulk = settings.elasticity.shear_modulus, settings.elasticity.bulk_modulus
    kernel = Kernel(settings.kernel.type, settings.kernel.orientation, mu / (1 + mu / bulk))
    renewal = _thresholds(read, lattice, "renewal")
    assert isinstance(renewal, Distribution)
    slip_kind = EXPONENTIAL_SLIP if settings.slip.distribution == "exponential" else CONSTANT_SLIP
    slip = SlipLaw(slip_kind, settings.slip.c0, settings.slip.c1)
    initial = _thresholds(read, lattice, "initial")
    return Glass(
        kernel,
        mu,
        initial,
        renewal,
        slip,
        settings.initial_stress.std,
        settings.seed,
        realization=0,
    )


def _thresholds(read: ReadInput, lattice: Lattice, which: str) -> Distribution | LocalField:
    wanted = getattr(read.settings.thresholds, which)
    if isinstance(wanted, FieldInput):
        return read_field_rows(wanted.file, read.folder, lattice)
    if isinstance(wanted, ThresholdInput):
        return wanted.build(read.samples.get(which))
    return preset(wanted)

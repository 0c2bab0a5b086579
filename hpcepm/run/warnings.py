"""What is no error, but hardly meant: said at the start of a run, and by `hpcepm check`.

Each line has the place, the value and a remedy.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from hpcepm.input.clock import time_of
from hpcepm.input.glass import mean_slip, mu_star
from hpcepm.input.named_files import Statistics
from hpcepm.input.read import ReadInput, filled
from hpcepm.input.schema import Input
from hpcepm.model.clock import Rate
from hpcepm.model.clock.points import LOWEST, power
from hpcepm.model.distributions import Distribution, Samples
from hpcepm.model.loading import Extremal, Loading, Path
from hpcepm.model.thresholds import GivenField

FEW_SAMPLES: Final = 100
LARGE_STRAIN: Final = 10.0
FAR_BEYOND: Final = 5.0
"""Times the mean threshold: what a mean slip changes stress by is about half of it in a glass."""


class File(NamedTuple):
    """A file of thresholds: the key that names it, its name, and what is in it."""

    key: str
    name: str
    values: Statistics

    def __str__(self) -> str:
        v = self.values
        return (
            f"{self.key} {self.name}: {v.count} value{'s' if v.count != 1 else ''}, "
            f"mean {v.mean:.4g}, std {v.std:.4g}, min {v.lowest:.4g}"
        )


def warnings_of(read: ReadInput) -> list[str]:
    """Return what a user should think over before a run."""
    settings = read.settings
    of_input = (_of_cadence, _of_strains, _of_sides)
    found = [line for of in of_input for line in of(settings)]
    return [*_of_files(read), *found, *_of_stresses(read)]


def threshold_files(read: ReadInput) -> list[File]:
    """Return the files of thresholds that an input names."""
    named: list[tuple[str, object]] = [
        ("thresholds.initial", read.settings.thresholds.initial),
        ("thresholds.renewal", read.settings.thresholds.renewal),
    ]
    for number, region in enumerate(read.settings.regions or ()):
        named.append((f"regions[{number}].thresholds.draw", region.thresholds.draw))
    files = []
    for key, section in named:
        if isinstance(section, Samples | GivenField):
            names = {"file": section.file, "file_backward": getattr(section, "file_backward", None)}
            found = [(f"{key}.{part}", name) for part, name in names.items() if name]
            files += [File(place, name, read.statistics[name]) for place, name in found]
    return files


def _of_files(read: ReadInput) -> Iterator[str]:
    for key, name, values in threshold_files(read):
        if values.not_positive:
            yield (
                f"{key}: {name}: {values.not_positive} of {values.count} thresholds are not above "
                f"0 (the lowest is {values.lowest:.4g}): a site that has one slips without a load; "
                "look at the file and its units"
            )
        sampled = not key.startswith("thresholds.initial") or isinstance(
            read.settings.thresholds.initial, Samples
        )
        if sampled and values.count < FEW_SAMPLES:
            yield (
                f"{key}: {name}: {values.count} samples are few: no other threshold is ever drawn; "
                f"give {FEW_SAMPLES} or more, or a distribution with their mean and std"
            )


def _of_cadence(settings: Input) -> Iterator[str]:
    asked, of = settings.output.observables, settings.output.observables.of
    longest = time_of(settings.loading) if of == "time" else _longest(settings.loading, of)
    every = asked.first if asked.every is None else asked.every
    if longest is not None and every > longest:
        key = "from" if asked.every is None else "every"
        where = "turning points" if len(settings.loading.segments) > 1 else "first and the last"
        yield (
            f"output.observables.{key}: {every:g} is more than the {of.replace('_', ' ')} of "
            f"{longest:g} that is to be reached: only the {where} will be recorded; "
            f"write {longest / 100:.2g}, say"
        )


def _longest(loading: Loading, of: str) -> float | None:
    """Return how far a variable goes at the most between two turns; None if nobody knows."""
    ways, before = [], 0.0
    for segment, part in enumerate(loading.segments):
        rule = (
            getattr(loading.rules(segment), of, None)
            if of in ("strain", "plastic_strain")
            else None
        )
        moved = "strain" if part.is_strain else type(part).__name__.lower()
        target = part.target if moved == of and not isinstance(part, Extremal) else None
        if rule is None and target is None:
            return None
        known = [abs(target - before)] if target is not None else []
        ways.append(min([*known, *([rule] if rule is not None else [])]))
        before = target if target is not None else before
    return max(ways, default=None)


def _of_strains(settings: Input) -> Iterator[str]:
    loading, listed = settings.loading, isinstance(settings.loading, Path)
    for number, part in enumerate(loading.segments):
        if part.is_strain and abs(part.target) >= LARGE_STRAIN:
            where = f"loading[{number}].target" if listed else "loading.target"
            yield (
                f"{where}: a strain of {part.target:g} is {100 * part.target:.0f} %: each site "
                f"will slip hundreds of times; if per cent was meant, write {part.target / 100:g}"
            )
            return


def _of_sides(settings: Input) -> Iterator[str]:
    extremal = any(isinstance(part, Extremal) for part in settings.loading.segments)
    if extremal and settings.yielding.sides == "two":
        yield (
            "yielding.sides: two: extremal loading pulls forward, and no site yields backward "
            "under it; write one, or a loading with control: stress"
        )


def _of_stresses(read: ReadInput) -> Iterator[str]:
    settings = read.settings
    mean, std = _mean_threshold(read), settings.initial_stress.std
    if mean is None or mean <= 0:
        return
    if std > mean:
        yield (
            f"initial_stress.std: {std:g} is {std / mean:.2g} times the mean threshold {mean:.3g}: "
            "most sites will slip before there is any load; glasses of atoms have 0.175"
        )
    slip, renewal = mean_slip(read), filled(settings, read.data, "thresholds.renewal")
    drop = mu_star(settings) * slip
    if drop > FAR_BEYOND * max(mean, renewal.moments()[0]):
        yield (
            f"slip: a mean slip of {slip:.3g} changes the stress by {drop:.3g}, "
            f"{drop / mean:.2g} times the mean threshold {mean:.3g}: stresses will be far beyond "
            "thresholds; lower slip.c0 and slip.c1, or the moduli (the paper has 0.0276 and 0.0206)"
        )
    clock, fastest = settings.clock, power(-LOWEST)
    if isinstance(clock, Rate) and clock.law == "sqrt" and mean > clock.scale * fastest**2:
        yield (
            f"clock.scale: {clock.scale:g} is so small that sites beyond their thresholds by "
            f"{clock.scale * fastest**2:.3g} or more yield alike, at the highest rate that there "
            f"is, {fastest:g}; write {mean / fastest**2:.1g} or more"
        )


def _mean_threshold(read: ReadInput) -> float | None:
    """Return the mean of the first thresholds, regions left out."""
    initial = filled(read.settings, read.data, "thresholds.initial")
    if isinstance(initial, Distribution):
        return initial.moments()[0]
    known = read.statistics.get(getattr(initial, "file", ""))
    return known.mean if known else None

"""The keys that an input may have, and where a key belongs that is unknown where it stands."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from .clock import EXAMPLE
from .loading import LoadingChoice, UntilInput
from .problems import Path, did_you_mean, dotted, nearest, shorten
from .sections import Choice, Section, keys_of
from .yaml_words import no_key

MOST_SHOWN: Final = 14

MEANINGS: Final = {
    "L": "lattice.shape", "N": "lattice.shape", "nx": "lattice.shape", "ny": "lattice.shape",
    "size": "lattice.shape", "mu": "elasticity.shear_modulus", "G": "elasticity.shear_modulus",
    "K": "elasticity.bulk_modulus", "B": "elasticity.bulk_modulus",
    "strain": "loading.target", "max_strain": "loading.target", "gamma": "loading.target",
    "rng_seed": "seed", "random_seed": "seed", "samples": "realizations", "runs": "realizations",
    "n_realizations": "realizations", "out": "output.directory", "outdir": "output.directory",
    "output_dir": "output.directory", "folder": "output.directory", "dir": "output.directory",
    "path": "output.directory", "center": "centre", "radius": "size, the diameter",
    "width": "size", "dump": "output.fields", "snapshots": "output.fields",
    "n_cycles": "cycles", "amplitude": "cycle, as [0.03, -0.03], or amplitude with waveform: sine",
    "restart": "--continue, on the command line", "threads": "mpiexec -n, on the command line",
    "ranks": "mpiexec -n, on the command line", "nprocs": "mpiexec -n, on the command line",
    "walltime": "--max-walltime, on the command line", "plugin": "--plugin, on the command line",
    "max_walltime": "--max-walltime, on the command line",
}  # fmt: skip
"""What people call keys that have other names here."""

RATES: Final = (
    "speed", "velocity", "rate", "strain_rate", "shear_rate", "stress_rate", "gamma_dot",
)  # fmt: skip
TIMES: Final = (
    "dt", "timestep", "time_step", "time", "duration", "frequency", "period", "viscosity",
)  # fmt: skip
TEMPERATURES: Final = ("temperature", "kT", "k_B_T", "beta", "barrier", "attempt_time")
"""What loadings have elsewhere, and how it is said here: see `_of_time`."""

YOUNG: Final = ("E", "nu", "young", "youngs_modulus", "young_modulus", "poisson", "poisson_ratio")


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections that a type is made of, as those of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _sections_in(part)


def _choice_of(field: Any) -> Choice | None:
    return next((one for one in field.metadata if isinstance(one, Choice)), None)


def section_at(model: type[Section], path: Path) -> tuple[type[Section] | Choice | None, Path]:
    """Return what stands at a path; of what is in a `Choice`, that and the rest of the path."""
    here: type[Section] | None = model
    for depth, part in enumerate(path, 1):
        field = here.model_fields.get(str(part)) if here else None
        if field is None:  # a name of the user's own choice, or a number in a list
            continue
        if (choice := _choice_of(field)) is not None:
            return choice, path[depth:]
        here = next(_sections_in(field.annotation), None)
    return here, ()


def known_keys(model: type[Section], path: Path, content: Any) -> list[str]:
    """Return the keys that a mapping of the input may have."""
    here, rest = section_at(model, path)
    if isinstance(here, Choice):
        for part in path[: len(path) - len(rest)]:
            content = content[part]
        return here.keys_at(rest, content)
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


@cache
def places_of(model: type[Section]) -> dict[str, list[str]]:
    """Return the sections that have a key, by the key; plug-ins that come later are not there."""
    found: dict[str, list[str]] = {}
    for section, key in _all_keys(model, ""):
        found.setdefault(key, [])
        if section not in found[key]:
            found[key].append(section)
    return found


def _all_keys(model: type[Section], section: str) -> Iterator[tuple[str, str]]:
    """Yield each section and a key of it, down to the last."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield section, key
        below = f"{section}.{key}".lstrip(".")
        if (choice := _choice_of(field)) is not None:
            for kind in choice.kinds.values():
                yield from ((below, one) for one in (choice.key, *keys_of(kind).model_fields))
            if isinstance(choice, LoadingChoice):
                yield from ((below, one) for one in ("until", "cycle", "cycles"))
                yield from ((f"{below}.until", one) for one in UntilInput.model_fields)
        for inner in _sections_in(field.annotation):
            yield from _all_keys(inner, below)


def hint_for_key(model: type[Section], path: Path, content: Any, value: Any) -> str:
    """Return what to do about an unknown key, in brackets and with a space before it."""
    key, known = str(path[-1]), known_keys(model, path[:-1], content)
    if (other := _goes_with(model, path, content)) is not None:
        return f" ({other})"
    if path[0] in ("loading", key) and (said := _of_time(key)):
        return said
    if said := _near(key, known) or _torn(key, value, known) or _of_young(path, content):
        return said
    if key in MEANINGS and dotted(path) not in MEANINGS[key]:
        return f" (here that is {MEANINGS[key].removeprefix(f'{dotted(path[:-1])}.')})"
    places = places_of(model)
    if "." in key and (whole := _dotted_key(key, places)):
        return whole
    if there := _nearest_places(places.get(key, []), path):
        return f" (it belongs under {there})"
    if said := did_you_mean(key, known):
        return said
    close = nearest(key, places, likeness=0.8)
    if close is not None and (there := _nearest_places(places[close], path)):
        return f" (did you mean '{close}', which belongs under {there}?)"
    return f" (known here: {_some(known)})" if known else ""


def _of_time(key: str) -> str:
    """Explain to whoever drives a glass in time how that is written."""
    if key.lower() in RATES:
        return f" (here that is loading.rate, with {EXAMPLE})"
    if key.lower() in TIMES:
        return f" (time needs {EXAMPLE}; then give loading.rate, or loading.hold)"
    return f" (here that is {EXAMPLE})" if key in TEMPERATURES else ""


def _goes_with(model: type[Section], path: Path, content: Any) -> str | None:
    """Return what a key goes with that only other kinds of its section have."""
    choice, rest = section_at(model, path[:-1])
    inside = [part for part in rest if isinstance(part, str) and part != "segments"]
    if not isinstance(choice, Choice) or inside:
        return None
    for part in path[:-1]:
        content = content[part]
    return choice.goes_with(str(path[-1]), content)


def whole_key(model: type[Section], word: str) -> str | None:
    """Return the dotted path of a key, from its last part, or a word that is like it."""
    places = places_of(model)
    section, _, last = MEANINGS.get(word, word).rpartition(".")
    close = nearest(last, places)
    if close is None or (section and section not in places[close]):
        return None
    section = section or min(places[close], key=lambda place: place.count("."))
    return f"{section}.{close}".lstrip(".")


def _some(known: list[str]) -> str:
    more = ", …" if len(known) > MOST_SHOWN else ""
    return ", ".join(known[:MOST_SHOWN]) + more


def _near(key: str, known: Iterable[str]) -> str:
    """Suggest a key that differs by capitals, by - and _, or by letters that look alike."""
    wanted = _bare(key)
    found = next((name for name in known if _bare(name) == wanted), None)
    return f" (did you mean '{found}'?)" if found else ""


def _bare(key: str) -> str:
    return re.sub(r"[-_ ]", "", key.lower()).translate(str.maketrans("oil", "011"))


def _torn(key: str, value: Any, known: list[str]) -> str:
    """Explain a key that is a piece of something else."""
    if re.match(r"-[^\s\d.-]", key):
        return f" (a space is missing after '-'; write - {shorten(key[1:])}…)"
    if value is not None:
        return ""
    found, said = re.match(r"(\w+)\s*([:=\s])\s*\S", key), no_key(key)
    if found and said and (found[2] == "=" or found[1] in known):
        return f" ({said})"
    if re.fullmatch(r"[-+\d.eE()%]+", key):
        said = "a comma ends the value before it: write a number with a point, as 0.05"
        return f" ({said}, and a list in brackets, as [64, 64])"
    return ""


def _of_young(path: Path, content: Any) -> str:
    """Explain the moduli to whoever has Young's and Poisson's."""
    if path[-1] not in YOUNG or path[0] not in ("elasticity", *YOUNG):
        return ""
    mu, bulk, here = "μ", "K", content
    for part in path[:-1]:
        here = here[part]
    e, nu = here.get("E"), here.get("nu")
    numbers = isinstance(e, int | float) and isinstance(nu, int | float)
    if numbers and 0 < e < 1e12 and -1 < nu < 0.5:
        mu, bulk = f"{e / 2 / (1 + nu):.6g}", f"{e / 2 / (1 + nu) / (1 - 2 * nu):.6g}"
    formulas = "μ = E/2(1+ν), K = λ + μ = E/2(1+ν)(1−2ν)"
    return f" (write elasticity: {{shear_modulus: {mu}, bulk_modulus: {bulk}}}, from {formulas})"


def _dotted_key(key: str, places: dict[str, list[str]]) -> str:
    """Explain a key that was written as ``slip.c0``."""
    section, _, last = key.rpartition(".")
    if section not in places.get(last, []):
        return ""
    written = f"{last}: …"
    for part in reversed(section.split(".")):
        written = f"{part}: {{{written}}}"
    return f" (write {written})"


def _nearest_places(places: list[str], path: Path) -> str:
    """Return the sections that a key may belong to: those in the present one if there are any."""
    here = dotted(path[:-1])
    places = [place or "no section: begin it in the first column" for place in places]
    inside = [place for place in places if here and place.startswith(here)] or places
    shown = sorted(inside, key=lambda place: place.count("."))[:3]
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else "".join(shown)

"""The section ``clock``: what time is, and what may be asked of a run only if it passes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import InitErrorDetails

from hpcepm.layout import SAME_STRAIN
from hpcepm.model.loading import Extremal, Loading, Sine

from .problems import Path, did_you_mean, shown
from .sections import Choice, inside, problem_at, refuse, wrong_at
from .values import NOTHING

EXAMPLE: Final = "clock: {type: thermal, temperature: 0.05}"

KEYS_OF_TIME: Final = ("rate", "hold", "waveform")

MAXWELL: Final = "clock: {type: maxwell, tau: 1, plastic: 1, elastic: 1, dt: 0.01}"

MOST_UNITS: Final = 1e15
"""How long a load is held, or a run lasts, in units of its clock."""


class ClockChoice(Choice):
    """``clock``: one of the registry, as ``{type: thermal, …}`` or ``{thermal: {…}}``."""

    def _named(self, content: Mapping[str, Any]) -> str | None:
        """Return the kind of a section that is written as ``{thermal: {…}}``."""
        name = next((key for key in content if key in self.kinds), None)
        if name is not None and len(content) > 1:
            other = next(key for key in content if key != name)
            raise ValueError(f"{other}: belongs below {name}: {{{name}: {{{other}: …}}}}")
        return name

    def keys(self, content: dict[str, Any]) -> list[str]:
        """Return the keys that a section may have; of one that says not what it is, all."""
        if content.get(self.key) in self.kinds:
            return super().keys(content)
        every = [super(ClockChoice, self).keys({self.key: name}) for name in self.kinds]
        return list(dict.fromkeys(key for keys in every for key in keys))

    def keys_at(self, path: Sequence[str | int], content: Any) -> list[str]:
        """Return the keys that a mapping in the section may have, at a path below it."""
        return self.keys({self.key: path[0]})[1:] if path else self.keys(content)

    def wrapped(self, value: Any) -> str:
        """Return how to write one value that was given as the section."""
        if value == "rate":
            return f"{{{self.key}: rate}}"
        is_none = isinstance(value, str) and value.lower() in NOTHING
        return "" if is_none or isinstance(value, list) else EXAMPLE.partition(": ")[2]

    def read(self, value: Any) -> Any:
        """Return the clock that a section is."""
        if isinstance(value, dict) and (name := self._named(value)) is not None:
            inner = value[name]
            if not isinstance(inner, dict):
                said = f"write {{{self.key}: {name}}}, or keys below '{name}'"
                raise wrong_at((name,), said)
            with inside(name):
                return super().read({**inner, self.key: name})
        return super().read(value)

    def _kind(self, name: Any) -> type:
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        if name is None:
            raise ValueError(f"say of which type it is, as {EXAMPLE}")
        known = did_you_mean(name, self.kinds) or f" (known: {', '.join(self.kinds)})"
        said = f"there is no clock {shown(name)}{known}"
        raise wrong_at((self.key,), said)


def keys_of_time(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where a section ``loading``, as it is written, has keys that need a clock."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from keys_of_time(one, (*path, number))
    elif isinstance(value, dict):
        yield from ((*path, key) for key in KEYS_OF_TIME if value.get(key) is not None)
        until = value.get("until")
        if isinstance(until, dict) and until.get("time") is not None:
            yield (*path, "until", "time")
        yield from keys_of_time(value.get("segments"), (*path, "segments"))


def without_clock(loading: Any) -> list[InitErrorDetails]:
    """Return what is wrong with a loading, as it is written, where no time passes."""
    return [
        problem_at(place, f"{place[-1]} needs a clock: write {_example_for(place)}, say")
        for place in keys_of_time(loading)
        if place[-1] != "hold" or not _is_zero(loading, place)
    ]


def _example_for(place: Path) -> str:
    return MAXWELL if place[-1] == "waveform" else EXAMPLE


def _is_zero(content: Any, place: Path) -> bool:
    for part in place:
        content = content[part]
    return content == 0 and not isinstance(content, bool)


def check_time(loading: Loading, longest: float) -> None:
    """Refuse a loading that cannot be in time, or lasts too long for a clock.

    Raises
    ------
    ValidationError
        With where it is wrong.
    """
    wrong = []
    if isinstance(loading, Extremal):
        said = "extremal goes by events, not by time; take strain or stress, or leave 'clock' out"
        wrong.append(problem_at(("control",), said))
    held = "cycles" if isinstance(loading, Sine) else "hold"
    for key, time in ((held, loading.hold), ("until.time", loading.until.time or 0.0)):
        if time > longest:
            said = f"{time:g} is more than {MOST_UNITS:g} units of the clock; give {longest:g} or"
            if isinstance(loading, Sine):
                most = f"more than {MOST_UNITS:g} units of the clock"
                said = f"all of them last {time:g}, {most}; give"
            wrong.append(problem_at(tuple(key.split(".")), f"{said} less"))
    refuse(wrong)


def times_of(loading: Loading) -> list[float]:
    """Return how long each segment of a loading lasts at the most, as far as that is known."""
    found, before = [], 0.0
    for segment in loading.segments:
        moves = abs(segment.target - before) / segment.rate if segment.rate else 0.0
        found.append(segment.hold + moves)
        before = segment.target
    return found


def time_of(loading: Loading) -> float:
    """Return how long a loading lasts at the most, in time, as far as that is known beforehand."""
    time = 0.0
    for number, lasts in enumerate(times_of(loading)):
        until = loading.rules(number).time
        time = time + lasts if until is None else min(time + lasts, max(time, until))
    return time


def check_whole(loading: Loading, longest: float) -> None:
    """Refuse a loading that lasts too long for a clock, all in all.

    Raises
    ------
    ValueError
        With how long.
    """
    time = time_of(loading)
    if time > longest * (1 + SAME_STRAIN):
        said = f"all of it lasts {time:g}, more than {MOST_UNITS:g} units of the clock"
        raise ValueError(f"{said}; give {longest:g} or less")

"""The section ``loading``: one loading, a list of them, or cycles, and the rules that end it."""

import copy
from collections.abc import Sequence
from dataclasses import fields
from math import inf, isnan
from typing import Annotated, Any, Final

from pydantic import Field, ValidationInfo
from pydantic_core import CoreSchema, InitErrorDetails, ValidationError, core_schema

from hpcepm.model.loading import (
    Cycles,
    Extremal,
    Loading,
    Path,
    SineOfStrain,
    SineOfStress,
    Strain,
    Stress,
    Until,
)
from hpcepm.model.loading.path import Turn
from hpcepm.model.registry import Positive, Time
from hpcepm.schedule import MOST_TURNS

from .clock import MOST_UNITS, check_time, check_whole, without_clock
from .problems import shown
from .sections import Choice, Section, inside, keys_of, located, problem_at, refuse, wrong_at

MOST_EVENTS_PER_SITE: Final = 100.0
"""Where stress control ends that has no rule: above the flow stress its avalanche never does."""


SINES: Final = (SineOfStrain, SineOfStress)

OF_TIME: Final = ("rate", "hold")
"""Keys of a loading that are written only where they say something."""


class UntilInput(keys_of(Until)):  # type: ignore[misc]
    """``until``: rules that end a loading before its target."""


class SegmentInput(Section):
    """A strain to reach, of a list: it may lie behind the present one.

    Attributes
    ----------
    target : strain
        The strain ε to reach.
    rate : strain/time
        How fast the load moves; with a ``clock`` only. Without it the load moves faster than time.
    hold : time
        For how long the load then stays; with a ``clock`` only.
    """

    target: Turn
    rate: Positive | None = None
    hold: Time = 0.0


class HoldInput(Section):
    """An item of a list without a target: the load stays where the loading before it ended.

    Attributes
    ----------
    hold : time
        For how long the load stays where it is; with a ``clock`` only.
    """

    hold: Time


class RepeatInput(Section):
    """Segments of a list, several times over.

    Attributes
    ----------
    repeat : 1
        How often.
    segments
        Loadings, as in the list.
    """

    repeat: Annotated[int, Field(ge=1, le=MOST_TURNS)]
    segments: list[Any]


class LoadingChoice(Choice):
    """``loading``: one of the registry, a list of them, or cycles of strain."""

    def keys(self, content: dict[str, Any]) -> list[str]:
        """Return the keys that a section may have, by what it says that it is."""
        if "waveform" in content:
            return [self.key, *keys_of(SineOfStrain).model_fields, "until"]
        if "cycle" in content:
            return [self.key, *keys_of(Cycles).model_fields, "until"]
        return [*super().keys(content), "cycle", "cycles", "until"]

    def keys_at(self, path: Sequence[str | int], content: Any) -> list[str]:
        """Return the keys that a mapping in the section may have, at a path below it."""
        for part in path:
            if part == "until":
                return list(UntilInput.model_fields)
            content = content[part]
        return list(RepeatInput.model_fields) if "repeat" in content else self.keys(content)

    def goes_with(self, key: str, content: dict[str, Any]) -> str | None:
        """Return what a key goes with that the section has only if it is something else."""
        here = next((one for one in ("repeat", "cycle") if one in content and one != key), None)
        if key in ("cycle", "cycles"):
            with_cycle = "cycle: [0.03, -0.03], which stands alone"
            return f"{key} goes with {with_cycle if key == 'cycles' else 'control: strain'}"
        if key in ("repeat", "segments"):
            return f"{key} goes with a list: [{{repeat: 2, segments: [{{target: …}}]}}]"
        said = super().goes_with(key, content)
        return f"{key} does not go with {here}; leave one of the two out" if said and here else said

    def __get_pydantic_core_schema__(self, *_: Any) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(self.written)
        return core_schema.with_info_plain_validator_function(self.read_in, serialization=written)

    def read_in(self, value: Any, info: ValidationInfo) -> Any:
        """Return the loading that a section is, in an input that may have a clock."""
        clock = info.data.get("clock", ())  # (): one that is wrong
        longest = MOST_UNITS * clock.unit if clock else None if clock is None else inf
        if longest is None:
            refuse(without_clock(value))
        made = self.read(value, longest)
        parts = made.parts if isinstance(made, Path) else (made,)
        if longest is None or longest == inf:
            return made
        if not any(part.hold or part.rate for part in parts):
            said = "time never passes: give a rate, as in {target: 0.3, rate: 1e-4}, or hold"
            raise ValueError(f"{said}, for how long")
        check_whole(made, longest)
        return made

    def read(self, value: Any, longest: float | None = None) -> Any:
        """Return the loading that a section is.

        ``longest`` is how long a load can be held; None without a clock.
        """
        if isinstance(value, Loading):
            return value
        if isinstance(value, list):
            return Path(tuple(self._segments(value, longest)))
        if not isinstance(value, dict):
            return super().read(value)
        return self._one(value, longest)

    def _one(
        self, content: dict[str, Any], longest: float | None, in_a_list: bool = False
    ) -> Loading:
        """Return one loading, with the rules that end it."""
        rules = content.get("until")
        others = {key: _as_tuple(one) for key, one in content.items() if key != "until"}
        is_strain = others.get(self.key, self.registry.default) == "strain"
        keys = {key: one for key, one in others.items() if key != self.key}
        made: Loading
        if "waveform" in keys:
            if in_a_list:
                raise ValueError("waveform: a sine stands alone, not in a list")
            made = self._sine(others.get(self.key, self.registry.default), keys)
        elif "cycle" in keys and is_strain and not in_a_list:
            if longest is not None:
                said = "write a list: [{repeat: 10, segments: [{target: …, rate: …}, …]}]"
                raise ValueError(f"cycle: with a clock {said}")
            made = Cycles(**dict(keys_of(Cycles).model_validate(keys)))
        elif is_strain and in_a_list:
            made = Strain(**dict(SegmentInput.model_validate(keys)))
        elif is_strain and keys.get("target") == 0 and keys.get("hold"):
            raise ValueError("target: to hold strain 0 write a list: [{target: 0, hold: …}]")
        else:
            made = super().read(others)
        return _with_rules(made, self._rules(rules), longest)

    def _sine(self, control: Any, keys: dict[str, Any]) -> Loading:
        kind = next((one for one in SINES if one.control == control), None)
        if kind is None:
            said = f"waveform: goes with control: strain or stress, not with {shown(control)}"
            raise ValueError(said)
        return kind(**dict(keys_of(kind).model_validate(keys)))

    def _rules(self, rules: Any) -> Until:
        if rules is None:
            return Until()
        if not isinstance(rules, dict):
            said = "write what ends it, as {strain: 0.5} or {plastic_strain: 0.1}"
            raise wrong_at(("until",), said)
        with inside("until"):
            return Until(**dict(UntilInput.model_validate(rules)))

    def _segments(self, content: Sequence[Any], longest: float | None) -> list[Loading]:
        segments: list[Loading] = []
        problems: list[InitErrorDetails] = []
        for number, one in enumerate(content):
            try:
                if _is_hold(one):
                    one = {**self._held(segments, bool(problems)), **one}
                segments += self._some(one, longest)
            except ValidationError as error:
                problems += located(error, number)
            except ValueError as error:
                problems.append(problem_at((number,), f"number {number + 1} of the list: {error}"))
        refuse(problems)
        return segments

    def _held(self, before: Sequence[Loading], is_wrong: bool) -> dict[str, Any]:
        """Return the keys of the loading that an item without a target holds: the last one's."""
        if is_wrong:  # as one before is; what this one holds is not known
            return {"target": 0.0}
        if not before:
            said = "there is nothing before it to hold: write {target: 0, hold: …}"
            raise wrong_at(("hold",), said)
        if before[-1].until.any:
            said = "the loading before it ends by a rule, wherever that is: give a target, too"
            raise wrong_at(("hold",), said)
        keys = self.written(before[-1])
        return {key: one for key, one in keys.items() if key not in OF_TIME}

    def _some(self, one: Any, longest: float | None) -> list[Loading]:
        """Return what an item of a list stands for: a loading, or some, several times over."""
        if not isinstance(one, dict):
            raise ValueError(f"write {{target: {shown(one)}}}, or {{control: stress, target: …}}")
        if "cycle" in one:
            said = "write {repeat: 10, segments: [{target: …}, {target: …}]}"
            raise ValueError(f"a cycle stands alone; in a list {said}")
        if "repeat" not in one:
            return [self._one(one, longest, in_a_list=True)]
        repeated = RepeatInput.model_validate(one)
        with inside("segments"):
            inner = self._segments(repeated.segments, longest)
        if len(inner) * repeated.repeat > MOST_TURNS:
            raise ValueError(f"more than {MOST_TURNS:,} turning points are too many")
        return inner * repeated.repeat

    def written(self, value: Any) -> Any:
        """Return a section as the input has it."""
        if isinstance(value, Path):
            return [self.written(part) for part in value.parts]
        if isinstance(value, Cycles):
            keys = {self.key: "strain", "cycle": list(value.cycle), "cycles": value.cycles}
        elif isinstance(value, SINES):
            names = keys_of(SineOfStrain).model_fields
            keys = {self.key: value.control, **{name: getattr(value, name) for name in names}}
        else:
            keys = super().written(value)
            keys = {key: one for key, one in keys.items() if key not in OF_TIME or one}
        rules = {f.name: getattr(value.until, f.name) for f in fields(Until)}
        there = {name: rule for name, rule in rules.items() if rule}
        return {**keys, "until": there} if there else keys


def _with_rules(loading: Loading, until: Until, longest: float | None) -> Loading:
    """Return a loading that ends by rules, too."""
    if until.recurrence and not isinstance(loading, Cycles):
        raise ValueError("until.recurrence: is of cycles: write {cycle: [0.02, -0.02], cycles: …}")
    if isinstance(loading, Extremal) and not until.any:
        said = "extremal loading has no target: write until: {plastic_strain: 0.1}, say"
        raise ValueError(f"until: is required: {said}")
    if isinstance(loading, Stress) and not until.any and longest is None:
        until = Until(events_per_site=MOST_EVENTS_PER_SITE)
    made = copy.copy(loading)
    made.__dict__["until"] = until
    if longest is not None:
        check_time(made, longest)
    return made


def _is_hold(one: Any) -> bool:
    """Return whether an item of a list stays where the one before it ended."""
    return isinstance(one, dict) and "hold" in one and set(one) <= {"hold", "until"}


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_segments(loading: Loading, two_mu: float, to_stress: bool, uncoupled: bool) -> None:
    """Refuse what a sample of a stiffness 2μ cannot be driven by.

    Parameters
    ----------
    loading, two_mu
        That of the input, and 2μ.
    to_stress, uncoupled
        Whether sites slip to a stress, and whether no site feels another.
    """
    for segment in loading.segments:
        try:
            stiffness = segment.for_loop(two_mu).stiffness
        except ValueError as error:
            key, _, said = str(error).partition(" ")
            if hasattr(segment, key):
                raise wrong_at(("loading", key), said) from None
            raise wrong_at(("loading",), str(error)) from None
        if to_stress and (isnan(stiffness) or (uncoupled and stiffness == 0)):
            said = "to_stress wants a loading under which a slip lowers the stress in proportion"
            raise wrong_at(("slip", "distribution"), said)

"""The JSON Schema of an input: for editors, `hpcepm explain`, and the reference of all keys.

It follows from the sections themselves, plug-ins included. What a key means is its ``description``;
``unit`` is a keyword of our own, which validators pass over. What only several keys together can
violate (`hpcepm.input.schema`) is not in it.
"""

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hpcepm.model.loading import Cycles

from .clock import ClockChoice
from .loading import SINES, HoldInput, LoadingChoice, RepeatInput, SegmentInput, UntilInput
from .meanings import Meaning, summary_of
from .schema import Input
from .sections import Choice, Section, keys_of

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

SHORT: Final = "by its type"
"""The title of a section that is written as ``{thermal: {…}}``."""

UNTIL: Final = Meaning("Rules that end it before its target, inside avalanches too.")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an input."""
    made = Input.model_json_schema(schema_generator=_Generator)
    *_, a_list = made["properties"]["loading"]["anyOf"]
    segment, a_list["items"] = a_list["items"], {"$ref": "#/$defs/Segment"}
    segment["anyOf"][-1]["properties"]["segments"]["items"] = a_list["items"]  # of repeat
    made["$defs"]["Segment"] = segment
    return {"$schema": DIALECT, **made, "title": "An input of hpcepm"}


class _Generator(GenerateJsonSchema):
    """Says what keys mean, and what a section can be that is chosen by name."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a section, with what its keys mean."""
        made, kind = super().model_schema(schema), schema["cls"]
        made.pop("description", None)
        for name, key in made.get("properties", {}).items():
            key.pop("title", None)
            key.update(_told(kind.meanings.get(name)))
            if key.get("unit") == "wall time":
                key["default"] = f"{key['default']:g} s"  # as it is written
        return made

    def function_plain_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a `Choice`: all that the section can be."""
        choice = schema["function"]["function"].__self__
        assert isinstance(choice, Choice)
        if isinstance(choice, LoadingChoice):
            return self._loading(choice)
        words = [{"enum": choice.presets}] if choice.presets else []
        nothing = [{"type": "null"}] if choice.optional else []
        kinds = [self._kind(choice, *one) for one in _default_first(choice).items()]
        if isinstance(choice, ClockChoice):
            kinds += [self._short(name, keys_of(kind)) for name, kind in choice.kinds.items()]
        return {"anyOf": [*words, *kinds, *nothing]}

    def _short(self, name: str, section: type[Section]) -> JsonSchemaValue:
        """Return the schema of a section that is written as ``{thermal: {…}}``."""
        keys = {"properties": {name: self._section(section)}, "required": [name]}
        return {"type": "object", **keys, "additionalProperties": False, "title": SHORT}

    def _section(self, section: type[Section]) -> JsonSchemaValue:
        return self.generate_inner(section.__pydantic_core_schema__)

    def _kind(self, choice: Choice, name: str, section: type[Section]) -> JsonSchemaValue:
        """Return the schema of one of the dataclasses, and of the key that names it."""
        made = {**self.resolve_ref_schema(self._section(section))}
        said = summary_of(choice.kinds[name])
        named = {"const": name, "description": said}
        made["properties"] = {choice.key: named, **made.get("properties", {})}
        if name != choice.registry.default:
            made["required"] = [choice.key, *made.get("required", [])]
        return {**made, "title": f"{choice.key}: {name}", "description": said}

    def _loading(self, choice: LoadingChoice) -> JsonSchemaValue:
        """Return the schema of one loading, of cycles, and of a list of loadings."""
        until = {**self._section(UntilInput), **_told(UNTIL)}

        def with_rules(made: JsonSchemaValue) -> JsonSchemaValue:
            return {**made, "properties": {**made["properties"], "until": until}}

        kinds = _default_first(choice)
        alone = [with_rules(self._kind(choice, *one)) for one in kinds.items()]
        cycles = with_rules(self._kind(choice, "strain", keys_of(Cycles)))
        cycles |= {"title": "cycles", "description": summary_of(Cycles)}
        for kind in SINES:
            sine = with_rules(self._kind(choice, kind.control, keys_of(kind)))
            alone.append(
                {**sine, "title": f"sine of {kind.control}", "description": summary_of(kind)}
            )
        in_list: dict[str, type[Section]] = {**kinds, "strain": SegmentInput}
        parts = [with_rules(self._kind(choice, *one)) for one in in_list.items()]
        parts[list(in_list).index("strain")]["title"] += ", in a list"
        hold, repeat = (
            self.resolve_ref_schema(self._section(one)) for one in (HoldInput, RepeatInput)
        )
        parts.append({**with_rules(hold), "title": "hold"})
        segment = {"anyOf": [*parts, {**repeat, "title": "repeat"}]}
        listed = {"type": "array", "minItems": 1, "items": segment}
        return {"anyOf": [*alone, cycles, {**listed, "title": "a list of loadings"}]}


def _default_first(choice: Choice) -> dict[str, type[Section]]:
    """Return the keys of all that a section can be, by name."""
    names = sorted(choice.kinds, key=lambda name: name != choice.registry.default)
    return {name: keys_of(choice.kinds[name]) for name in names}


def _told(meaning: Meaning | None) -> dict[str, str]:
    if meaning is None:
        return {}
    return {"description": meaning.text, **({"unit": meaning.unit} if meaning.unit else {})}

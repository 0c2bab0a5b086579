"""The keys of ``output``: what is kept, and how often."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from hpcepm.layout import ALWAYS_THERE, FIELDS
from hpcepm.model.loading import Loading, Sine
from hpcepm.model.registry import FileName, Number, Positive

from .sections import Section, wrong_at

FIELD_NAMES = tuple(FIELDS)

RECORDS_A_CYCLE: Final = 40
RECORDS_OF_A_SINE: Final = 4000
"""Of all cycles, at the most."""

Variable = Literal["strain", "stress", "plastic_strain", "cycle", "time"]


class CadenceInput(Section):
    """Between two records, or two snapshots: how far the variable goes that they follow.

    Attributes
    ----------
    every : that of `of`
        How far ``of`` goes between two.
    of
        The variable whose multiples of ``every`` they are taken at. ``time``, since the run began,
        needs a ``clock``.
    per_decade : 1
        Instead of ``every``: how many are taken in each decade of the time since the present
        segment of the loading began.
    from : time
        Where these decades begin.
    """

    every: Positive | None
    of: Variable = "strain"
    per_decade: Annotated[int, Field(ge=1, le=1000)] | None = None
    first: Positive = Field(1.0, alias="from")

    @model_serializer(mode="wrap")
    def _as_written(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        keys: dict[str, Any] = written(self)
        if self.per_decade is None:
            unsaid = ("per_decade", "first")
            return {key: one for key, one in keys.items() if key not in unsaid}
        return {{"first": "from"}.get(key, key): one for key, one in keys.items()}

    @model_validator(mode="after")
    def _in_decades(self) -> "CadenceInput":
        if self.per_decade is None:
            if "first" in self.model_fields_set:
                raise ValueError("from: goes with per_decade: {of: time, per_decade: 10, from: 1}")
            return self
        if self.of != "time":
            raise ValueError(f"per_decade: goes with of: time, not with of: {self.of}; write both")
        if self.every is not None:
            raise ValueError("per_decade: stands for every; leave one of the two out")
        return self

    @model_validator(mode="after")
    def _whole_cycles(self) -> "CadenceInput":
        if self.of == "cycle" and self.every is not None and not self.every.is_integer():
            raise ValueError(f"every: {self.every:g} is no whole number of cycles")
        return self


def _of_another(content: Any, every: Mapping[str, float], per_decade: int) -> Any:
    """Return a cadence with the default of its own variable."""
    if not isinstance(content, dict):
        return content
    of = content.get("of")
    if content.get("per_decade") is not None:
        return {"every": None, **content}
    if of == "time" and "every" not in content:
        return {"every": None, "per_decade": per_decade, **content}
    if isinstance(of, str) and of in every:
        return {"every": every[of], **content}
    return content


class ObservablesInput(CadenceInput):
    """``output.observables``: where records are taken."""

    every: Positive | None = 0.005

    @model_validator(mode="before")
    @classmethod
    def _by_variable(cls, content: Any) -> Any:
        return _of_another(content, {"stress": 0.02, "cycle": 1.0}, 10)

    @model_validator(mode="after")
    def _at_some(self) -> "ObservablesInput":
        if self.every is None and self.per_decade is None:
            raise ValueError("every: has no value; give one, or leave the key out")
        return self


class FieldsInput(CadenceInput):
    """``output.fields``: where snapshots are taken, and which fields they hold.

    Attributes
    ----------
    at : strain
        Strains at which snapshots are taken, besides those of ``every``, or alone.
    dtype
        What maps are rounded to in ``run.h5``; no number of the run depends on it.
    names
        The fields of a snapshot, each of shape (nx, ny). ``sigma_c_backward`` and ``well`` need
        two sides and a quenched landscape.
    """

    every: Positive | None = 0.25
    at: Annotated[list[Number], Field(min_length=1, max_length=1000)] | None = None
    dtype: Literal["float64", "float32"] = "float64"
    names: list[Literal[FIELD_NAMES]] = Field(list(ALWAYS_THERE), min_length=1)  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _by_variable(cls, content: Any) -> Any:
        if isinstance(content, dict) and "compression" in content:
            said = "ranks write fields where they lie; pack the run later: hpcepm pack RUN --gzip"
            raise wrong_at(("compression",), said)
        if isinstance(content, dict) and content.get("at") is not None:
            return {"every": None, **content}
        return _of_another(content, {"cycle": 1.0}, 1)

    @model_validator(mode="after")
    def _each_once(self) -> "FieldsInput":
        if self.every is None and self.at is None and self.per_decade is None:
            raise ValueError("every: give it, or the strains, as in at: [0.01, 0.05]")
        if self.at is not None and self.of != "strain":
            raise ValueError(f"at: these are strains; leave out of: {self.of}")
        if len(set(self.at or ())) < len(self.at or ()):
            raise ValueError("at: each strain can be listed once")
        if len(set(self.names)) < len(self.names):
            raise ValueError("names: each field can be named once")
        return self


def _records_of(loading: Loading) -> dict[str, Any]:
    """Return where records are taken with a clock: enough for curves over what moves."""
    if isinstance(loading, Sine):
        n = min(loading.cycles * RECORDS_A_CYCLE, RECORDS_OF_A_SINE)
        return {"of": "time", "every": loading.hold / n}
    moves = loading.is_strain and len(loading.segments) == 1 and loading.rate is not None
    return {} if moves and not loading.hold else {"of": "time"}


class OutputInput(Section):
    """``output``: what is kept, and where.

    Attributes
    ----------
    directory
        The directory of the run; runs/ and the name of the input, if it is left out.
    observables
        Where records are taken: the curves.
    fields
        Where snapshots are taken: the maps.
    avalanches
        Whether to keep the table of avalanches, 68 bytes each. With a ``clock`` by which sites
        yield one at a time each event is one: then the default is false, and they have 92 bytes.
    events
        Whether to keep the table of events, each slip of a site, 44 bytes each, or 52 with a
        ``clock``.
    """

    directory: FileName = ""
    observables: ObservablesInput = ObservablesInput.model_validate({})
    fields: FieldsInput | None = None
    avalanches: bool = True
    events: bool = False

    def in_time(self, loading: Loading, instant: bool) -> "OutputInput":
        """Return it with the defaults that it has with a clock, by which avalanches are instant."""
        changed: dict[str, Any] = {}
        if "observables" not in self.model_fields_set:
            changed["observables"] = ObservablesInput.model_validate(_records_of(loading))
        if "avalanches" not in self.model_fields_set:
            changed["avalanches"] = instant
        return self.model_copy(update=changed)

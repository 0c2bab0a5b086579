"""What a section of the input can be, and the decorators that add to it.

Each kind is a frozen dataclass: its fields, with their types, defaults and limits, are the keys of
the section, and its methods are the physics. A plug-in adds kinds from outside:

    @hpcepm.distribution
    @dataclass(frozen=True)
    class Bimodal: ...

A kind that names a file has a method ``read_files(files)``, which gets the
`hpcepm.input.named_files.NamedFiles`. What it returns is there as ``self.data`` when the physics
begins.
"""

import copy
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    Field,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
)

from .plugins import address_of

Positive = Annotated[float, Field(gt=0, ge=1e-12, le=1e12)]
NotNegative = Annotated[float, Field(ge=0, le=1e12)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
PositiveTime = Annotated[float, Field(gt=0, ge=1e-12, le=1e27)]
Time = Annotated[float, Field(ge=0, le=1e27)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _is_a_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that no name of a file should have")
    return text


FileName = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_is_a_name)]


class Registry(dict[str, Any]):
    """The kinds of a section by their names in the input; as a decorator it adds one.

    Parameters
    ----------
    key
        The key of the section that names the kind.
    default
        The kind where the key is missing; None if it must be there.
    base
        Of what is built in.
    of_plugin
        What the classes of plug-ins get as a base besides.
    methods
        Methods of theirs that are compiled, and how many numbers each takes.
    try_out
        Tries out a section of a plug-in, and raises `ValueError` if it does not do what it must.
    functions
        Of which method a function can stand for a kind; empty if it cannot.
    doc
        What ``help`` says of the decorator.
    """

    def __init__(
        self,
        key: str,
        default: str | None,
        base: type,
        of_plugin: type,
        methods: Mapping[str, int] | None = None,
        try_out: Callable[[Any], None] | None = None,
        functions: str = "",
        doc: str = "",
    ) -> None:
        super().__init__()
        self._functions, self.__doc__ = functions, doc
        self.key, self.default, self._try_out = key, default, try_out
        self._base, self._of_plugin, self._methods = base, of_plugin, methods or {}

    def __repr__(self) -> str:
        return f"<kinds by {self.key}: {', '.join(self)}>"

    def __call__(self, kind: Any = None, *, name: str | None = None) -> Any:
        """Add a kind, called ``name`` or as its class in lower case; return its class.

        Raises
        ------
        TypeError, ValueError
            It is no frozen dataclass, lacks a method, or its name is taken.
        """
        if kind is None:
            return partial(self, name=name)
        if not hasattr(kind, "__name__"):
            raise TypeError(f"{kind!r}: decorate a class, or a function where that can be")
        if name is not None and not (isinstance(name, str) and name.isprintable()):
            raise ValueError(f"{kind.__name__}: name={name!r}: write a text")
        name, made = name or kind.__name__.lower(), self._class_of(kind)
        if name.startswith("<"):
            raise ValueError(f"{name}: is no name; write name=, or decorate what has one")
        if name in self and self[name].__module__ != made.__module__:
            raise ValueError(f"{kind.__name__}: the name {name!r} is taken; give another by name=")
        self[name] = made
        return made

    def make(self, kind: type, keys: Mapping[str, Any]) -> Any:
        """Return a section of a kind; one of a plug-in is tried out, unless it reads files.

        Raises
        ------
        ValueError
            It cannot be, or does not do what it must.
        """
        try:
            made = kind(**keys)
        except Exception as error:
            if is_built_in(kind) or isinstance(error, ValueError):
                raise
            raise ValueError(f"{kind.__name__}: {type(error).__name__}: {error}") from None
        if self._try_out is not None and not is_built_in(kind) and not hasattr(kind, "read_files"):
            self._try_out(made)
        return made

    def _class_of(self, kind: Any) -> type:
        """Return the class of a kind. It keeps its name, so that it can be pickled."""
        attributes = {key: getattr(kind, key) for key in ("__module__", "__qualname__", "__doc__")}
        if not isinstance(kind, type) and self._functions:
            return type(kind.__name__, (self._base,), {**attributes, "of": staticmethod(kind)})
        if not getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
            a = "" if isinstance(kind, type) else "a class with "
            said = f"write {a}@dataclass(frozen=True) below the decorator"
            raise TypeError(f"{kind.__name__}: {said}")
        if issubclass(kind, self._base):
            return kind
        if self._functions and not is_built_in(kind) and not hasattr(kind, self._functions):
            raise TypeError(f"{kind.__name__}: needs a method {self._functions}")
        taken = {self.key, "data", *self._methods, *dir(self._of_plugin)}
        _refuse_odd_fields(kind, taken)
        of = {name: address_of(kind, name, n) for name, n in self._methods.items()}
        attributes |= {"addresses": [*of.values()], "methods": of}
        return type(kind.__name__, (kind, self._of_plugin), attributes)


def is_built_in(kind: type) -> bool:
    """Whether a kind is hpcepm's own."""
    return kind.__module__.partition(".")[0] == __package__.partition(".")[0]


def _refuse_odd_fields(kind: type, taken: Collection[str]) -> None:
    """Refuse a dataclass with a field that no key of an input can be, or that is something else."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name not in fields or get_origin(hint) is ClassVar:
            continue
        if name in taken:
            said = "hpcepm has this name for something else here; take another"
            raise TypeError(f"{kind.__name__}.{name}: {said}")
        default = fields[name].default
        try:
            key = TypeAdapter(hint)
            if isinstance(default, int | float):  # another may stand for none
                key.validate_python(default)
        except PydanticSchemaGenerationError:
            said = "write float, int, bool or str, or one of hpcepm's, such as hpcepm.Positive"
            raise TypeError(f"{kind.__name__}.{name}: no key can be {hint}; {said}") from None
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"]
            raise TypeError(f"{kind.__name__}.{name}: its default {default!r}: {said}") from None


def with_data(section: Any, data: Any) -> Any:
    """Return a section that has what its files hold as ``data``."""
    made = copy.copy(section)
    made.__dict__["data"] = data
    return made

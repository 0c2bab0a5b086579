"""What a section of the input can be, and the decorators that add to it.

Each kind is a frozen dataclass: its fields, with their types, defaults and limits, are the keys of
the section, and its methods are the physics. A plug-in adds kinds from outside:

    @hpcepm.distribution
    @dataclass(frozen=True)
    class Bimodal: ...

A kind that names a file has a method ``read_files(files)``, see `Files`. What it returns is there
as ``self.data`` when the physics begins.
"""

import copy
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

Positive = Annotated[float, Field(gt=0, ge=1e-12, le=1e12)]
NotNegative = Annotated[float, Field(ge=0, le=1e12)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _is_a_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that no name of a file should have")
    return text


FileName = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_is_a_name)]


class Files(Protocol):
    """The files that an input names, for ``read_files``; names are relative to the input.

    A method raises `ValueError`, with a message for the user, if a file is not as it should be.

    Attributes
    ----------
    shape
        (nx, ny) of the lattice.
    """

    shape: tuple[int, int]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of ``f.csv`` (one column) or ``f.h5:/path`` (any shape), as one row."""

    def array(self, name: str) -> NDArray[np.float64]:
        """Return the dataset ``f.h5:/path``, of any shape."""

    def check_field(self, name: str) -> None:
        """Check that ``f.h5:/path`` has a finite value for each site, without reading it whole."""


class Registry(dict[str, Any]):
    """The kinds of a section by their names in the input; as a decorator it adds one.

    Parameters
    ----------
    key
        The key of the section that names the kind.
    default
        The kind where the key is missing; none if it must be there.
    complete
        Makes a kind of what is decorated: a class, or a function.
    """

    def __init__(
        self, key: str, default: str | None, complete: Callable[[Any], type] = lambda kind: kind
    ) -> None:
        super().__init__()
        self.key = key
        self.default = default
        self._complete = complete

    def __call__(self, kind: Any = None, *, name: str | None = None) -> Any:
        """Add a kind. It is called ``name``, or as its class in lower case.

        Raises
        ------
        TypeError, ValueError
            It is no frozen dataclass, lacks a method, or its name is taken.
        """
        if kind is None:
            return lambda kind: self(kind, name=name)
        params: Any = getattr(kind, "__dataclass_params__", None)
        if isinstance(kind, type) and not (params and params.frozen):
            raise TypeError(f"{kind.__name__}: write @dataclass(frozen=True) below the decorator")
        made = self._complete(kind)
        name = name or kind.__name__.lower()
        if name in self and self[name].__module__ != made.__module__:
            raise ValueError(f"{kind.__name__}: the name {name!r} is taken; give another by name=")
        self[name] = made
        return made

    def label(self, section: Any) -> str:
        """Return how a section is named to the user, as ``uniform(low 0.5, high 1.5)``."""
        values = {f.name: getattr(section, f.name) for f in fields(section)}
        shown = (
            f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items() if v
        )
        name = next(name for name, kind in self.items() if kind is type(section))
        return f"{name}({', '.join(shown)})"


def extended(kind: type, base: type, attributes: dict[str, Any]) -> type:
    """Return a class of a plug-in with a base added; it keeps its name, so it can be pickled."""
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, (kind, base), {**names, **attributes})


def with_data(section: Any, data: Any) -> Any:
    """Return a section that has what its files hold as ``data``."""
    made = copy.copy(section)
    made.__dict__["data"] = data
    return made

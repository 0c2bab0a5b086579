"""What every file of a run says of the run that it belongs to.

A run has an identity, made when it begins and kept through all its parts. With it, each file has
the input and the versions of the software: any of them alone says what it is part of.
"""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import h5py

from hpcepm.reading import BadFile, attribute, json_of

MOST_PARTS = 50
"""Of the versions of so many parts, those that differ are kept: an attribute holds 64 kB."""


class Identity(NamedTuple):
    """Which run, and of which input."""

    run: str
    """32 hexadecimal digits, made at random."""

    created: str
    """When the run was begun."""

    settings: dict[str, Any]
    """The input, resolved (`hpcepm.input.plugins.resolved`)."""

    parts: list[dict[str, str]]
    """The versions of all that touches the numbers, of each part in which they were others."""

    @classmethod
    def new(cls) -> "Identity":
        """Return the identity of a run that begins."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(secrets.token_hex(16), created, {}, [])

    @classmethod
    def of(cls, file: h5py.File) -> "Identity":
        """Return what an open file says.

        Raises
        ------
        BadFile
            It says nothing of the kind.
        """
        settings, parts = json_of(file, "input_resolved"), json_of(file, "parts")
        if not isinstance(settings, dict) or not isinstance(parts, list):
            raise BadFile(f"{file.filename}: does not say of which input it is")
        told = [text for part in parts for one in part.items() for text in one]
        if not all(isinstance(text, str) and text.isprintable() for text in told):
            raise BadFile(f"{file.filename}: does not say with which versions it was made")
        run, created = attribute(file, "run", str), attribute(file, "created", str)
        if not re.fullmatch(r"[0-9a-f]{32}", run) or not re.fullmatch(r"[-+:T\dZ]{1,40}", created):
            raise BadFile(f"{file.filename}: does not say of which run it is")
        return cls(run, created, settings, parts)

    def attributes(self) -> dict[str, str]:
        """Return what a file says of it."""
        told = {"input_resolved": self.settings, "parts": self.parts}
        dense = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
        as_json = {name: dense.encode(value) for name, value in told.items()}
        return {"run": self.run, "created": self.created, **as_json}

    def with_part(self, versions: Mapping[str, str]) -> "Identity":
        """Return it with the versions of another part."""
        parts = [part for part in self.parts if part != versions]
        return self._replace(parts=[*parts, dict(versions)][-MOST_PARTS:])


def require_run(file: h5py.File, run: str) -> None:
    """Refuse a file of another run.

    Raises
    ------
    BadFile
        It is.
    """
    if attribute(file, "run", str) != run:
        raise BadFile(f"{file.filename}: is of another run")

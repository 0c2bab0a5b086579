"""Strict YAML: what PyYAML guesses, this refuses or reads as YAML 1.2 does.

PyYAML reads ``1e-3`` as a string, ``on`` as true, ``010`` as 8 and ``12:00:00`` as 43200, lets the
last of two equal keys win, and expands aliases without bound. An input is data: scalars, lists and
mappings, no aliases, no tags.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from .characters import DASHES, first_odd, remedy_for
from .problems import InputError, Path, dotted, shorten
from .yaml_words import no_key, slip_of

MOST_BYTES = 50_000  # it is kept as an attribute of run.h5, and HDF5 holds 64 kB there
MOST_DEPTH = 32
MOST_DIGITS = 400


class _Loader(yaml.SafeLoader):
    """A loader with the scalars of YAML 1.2 (core schema)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML declares it so)


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(_pattern),
        list(_first) + ([""] if _tag == "null" else []),
    )


@dataclass
class Document:
    """What a YAML text says, and where.

    Attributes
    ----------
    name
        The file, as the user named it.
    content
        The mapping at the root.
    places
        For each path, where its value stands: ``file:line:column``, or the option that set it.
    key_places
        The same for keys.
    """

    name: str
    content: dict[str, Any]
    places: dict[Path, str] = field(default_factory=dict)
    key_places: dict[Path, str] = field(default_factory=dict)

    def place(self, path: Path, of_key: bool = False) -> str:
        """Return where a path stands, or the nearest thing around it."""
        if of_key and path in self.key_places:
            return self.key_places[path]
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def set(self, assignment: str) -> None:
        """Carry out one ``--set key.path=value``; an item of a list is named by its number."""
        option = f"--set {shorten(assignment, 60)}"
        key, equals, text = assignment.partition("=")
        words = words_of(key)
        if not equals or not all(words):
            raise InputError([f"{option}: write it as key.path=value"])
        if len(words) > MOST_DEPTH:
            raise InputError([f"{option}: nested more than {MOST_DEPTH} deep"])
        if len(text) > MOST_BYTES:
            raise InputError([f"{option}: is {len(text)} characters long; at most {MOST_BYTES}"])
        path = self._path_of(words)
        node = _compose(text, option)
        builder = _Builder(option, whole_place=True)
        value = None if node is None else builder.build(node, path)
        if len(path) < len(words):
            raise InputError([f"{option}: {self._no_item(path, words[len(path) :], value)}"])
        if builder.problems:
            raise InputError(builder.problems)
        inside: Any = self.content
        for depth, part in enumerate(path[:-1], 1):
            if isinstance(part, str) and not isinstance(inside.get(part), dict | list):
                inside[part] = {}
            inside = inside[part]
            self.places.setdefault(path[:depth], option)
        inside[path[-1]] = value
        self.places.update(builder.places)
        self.key_places.update(builder.key_places)
        self.places[path] = self.key_places[path] = option

    def _path_of(self, words: tuple[str, ...]) -> Path:
        """Return words as a path, with numbers in lists; as far as a list that has no such item."""
        path: list[str | int] = []
        inside: Any = self.content
        for word in words:
            if isinstance(inside, list):
                if not _is_item(inside, word):
                    break
                path.append(int(word))
                inside = inside[int(word)]
            else:
                path.append(word)
                inside = inside.get(word) if isinstance(inside, dict) else None
        return tuple(path)

    def _no_item(self, path: Path, rest: tuple[str, ...], value: Any) -> str:
        """Say that a list has no item of a name, and how to set what was meant."""
        items: Any = self.content
        for part in path:
            items = items[part]
        there, whole = dotted(path), _flow(_with(items, rest, value))
        numbers = f"{there}.0" + (f" to {there}.{len(items) - 1}" if len(items) > 1 else "")
        one = f"name an item, {numbers}, or " if items else ""
        return f"{there} is a list; {one}set all of it, as --set '{there}={whole}'"


def _is_item(items: list[Any], word: str) -> bool:
    """Return whether a list has an item of that number."""
    return word.isdecimal() and word.isascii() and len(word) < 9 and int(word) < len(items)


def words_of(key: str) -> tuple[str, ...]:
    """Return the parts of a key: ``loading.1.hold`` and ``loading[1].hold`` are one."""
    return tuple(re.sub(r"\[(\d+)\]", r".\1", key.strip()).split("."))


def _with(items: list[Any], path: tuple[str, ...], value: Any) -> list[Any]:
    """Return a list with a value in its only item, if that is what was meant."""
    first, *rest = path
    if len(items) != 1 or not isinstance(items[0], dict) or rest or str(first).isdecimal():
        return items
    return [{**items[0], first: value}]


def _flow(items: list[Any]) -> str:
    """Return a list in one line; of a long one the beginning."""
    shown = yaml.safe_dump(items, default_flow_style=True, sort_keys=False, width=10**6).strip()
    return shorten(shown, 160) + "]" * (len(shown) > 160)


def parse(raw: bytes, name: str) -> Document:
    """Return what a YAML file says.

    Raises
    ------
    InputError
        It is not strict YAML with a mapping at its root; every problem that can be told is.
    """
    if raw.startswith(b"\x89HDF"):
        raise InputError([f"{name}: is an HDF5 file, no input; to see a run: hpcepm plot RUNDIR"])
    if len(raw) > MOST_BYTES:
        raise InputError([f"{name}: is {len(raw)} bytes long; an input is at most {MOST_BYTES}"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            [f"{name}:{line}: is not UTF-8 (byte 0x{raw[error.start]:02x}); save it as UTF-8"]
        ) from None
    node = _compose(text, name)
    if node is None:
        raise InputError([f"{name}: is empty; at the least give lattice.shape and loading.target"])
    if not isinstance(node, yaml.MappingNode):
        hint = no_key(str(node.value)) if isinstance(node, yaml.ScalarNode) else None
        said = "expected keys and values, such as 'seed: 1'" + (f"; {hint}" if hint else "")
        raise InputError([f"{_at(name, node.start_mark)}: {said}"])
    builder = _Builder(name)
    content = builder.build(node, ())
    if builder.problems:
        raise InputError(builder.problems)
    return Document(name, content, builder.places, builder.key_places)


def _at(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}"


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        _refuse_tricks(text, name)
        return yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: beyond Unicode
        slip = slip_of(text, error)
        where = name if slip.line is None else f"{name}:{slip.line + 1}:{slip.column + 1}"
        raise InputError([f"{where}: not YAML: {slip.said}"]) from None


def _refuse_tricks(text: str, name: str) -> None:
    """Refuse what an input does not need and an attacker might.

    Aliases, tags, deep nesting, a second document.
    """
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        where = _at(name, event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(
                [f"{where}: aliases and anchors (* and &) are not allowed; write the value out"]
            )
        if getattr(event, "tag", None):
            raise InputError([f"{where}: tags (!…) are not allowed"])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise InputError([f"{where}: nested more than {MOST_DEPTH} deep"])
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise InputError([f"{where}: a second document begins here; an input is one"])


class _Builder:
    """Turns nodes into plain values, remembering where each stood."""

    def __init__(self, name: str, whole_place: bool = False) -> None:
        self.name = name
        self.whole_place = whole_place
        self.problems: list[str] = []
        self.places: dict[Path, str] = {}
        self.key_places: dict[Path, str] = {}

    def _where(self, node: yaml.Node) -> str:
        return self.name if self.whole_place else _at(self.name, node.start_mark)

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.places[path] = self._where(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, k)) for k, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = self._where(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{where}: {dotted(path) or 'a key'}: a key must be a word")
                continue
            key = str(key_node.value)
            here = (*path, key)
            self._look_for_odd(key_node, here)
            if key in result:
                self.problems.append(
                    f"{where}: {dotted(here)}: given twice; first at {self.key_places[here]}"
                )
                continue
            self.key_places[here] = where
            result[key] = self.build(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        kind, text = node.tag.rsplit(":", 1)[-1], str(node.value)
        self._look_for_odd(node, path)
        if kind == "bool":
            return text.lower() == "true"
        if kind == "null":
            return None
        if kind in ("int", "float") and len(text) > MOST_DIGITS:
            said = f"a number of {len(text)} characters is too long"
            self.problems.append(f"{self._where(node)}: {dotted(path)}: {said}")
            return 0
        if kind == "int":
            return int(text, 16 if text.startswith("0x") else 10)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text

    def _look_for_odd(self, node: yaml.Node, path: Path) -> None:
        """Tell of a character outside quotation marks that only looks like one of YAML.

        A dash is none: it may be part of a name.
        """
        text = str(node.value)
        column = first_odd(text, but=DASHES) if getattr(node, "style", "") is None else None
        if column is not None:
            mark = node.start_mark
            at = f"{self.name}:{mark.line + 1}:{mark.column + 1 + column}"
            where = self.name if self.whole_place else at
            self.problems.append(f"{where}: {dotted(path)}: {remedy_for(text[column])}")

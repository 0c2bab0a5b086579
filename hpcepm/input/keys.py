"""All keys of an input, as a tree: what `hpcepm explain` and docs/keys.md say of each.

They are read from the JSON Schema, which follows from the sections themselves.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from .json_schema import SHORT, json_schema
from .meanings import UNITS

Node = dict[str, Any]

SECTIONS: Final = {
    "kernel": 2,
    "slip": 2,
    "initial_stress": 2,
    "yielding": 8,
    "clock": 11,
    "loading": 9,
    "output": 5,
}
"""Which section of docs/model.md says more of a key; of others section 4."""

OF_SINES: Final = ("loading.waveform", "loading.amplitude", "loading.frequency")
MAXWELL: Final = ("type: maxwell",)
"""Keys, and what others are of, that docs/maxwell.md says more of."""

LARGEST: Final = 1e12
"""Of any number of an input."""

NOT_THERE: Final = object()


class Entry(NamedTuple):
    """What one key is, in some of the kinds that its section can be.

    Attributes
    ----------
    of
        These kinds, such as ``distribution: weibull``; empty if it is there in any.
    meaning, unit
        In words; of a key that names a kind a line for each.
    values
        What it can be, in words: type, bounds, choices.
    default
        As YAML has it; None if there is none.
    is_required
        Whether it must be there.
    """

    of: tuple[str, ...]
    meaning: str
    unit: str
    values: str
    default: str | None
    is_required: bool


Keys = dict[str, list[Entry]]
"""The entries of each dotted key, in the order of the input."""


def all_keys() -> Keys:
    """Return all keys of an input, those of plug-ins that are loaded included."""
    keys: Keys = {}
    schema = json_schema()
    _walk(schema, schema, "", "", (), keys)
    return keys


def _walk(root: Node, node: Node, path: str, of: str, inside: tuple[str, ...], keys: Keys) -> None:
    """Add the keys below a node of the schema."""
    for part in _alternatives(root, node):
        if (name := part.get("$ref")) in inside:
            continue  # segments in segments
        within = (*inside, name) if name else inside
        if part.get("title") == SHORT:
            continue  # the same keys again
        kind = part.get("title", of) if ":" in part.get("title", "") else of
        if part.get("title") in ("cycles", "hold", "repeat"):
            kind = part["title"]
        for key, child in part.get("properties", {}).items():
            there = f"{path}.{key}" if path else key
            _add(keys.setdefault(there, []), _entry(root, part, key, child, kind))
            _walk(root, child, there, "", within, keys)
        if "items" in part:
            _walk(root, part["items"], path, of, within, keys)


def _alternatives(root: Node, node: Node) -> Iterator[Node]:
    """Yield all that a value may be; what is behind a reference still has its name."""
    for part in node.get("anyOf", [node]):
        name = part.get("$ref", "")
        found = {**root["$defs"][name.rpartition("/")[2]], "$ref": name} if name else part
        if "anyOf" in found:
            yield from ({**inner, "$ref": name} for inner in found["anyOf"])
        else:
            yield found


def _entry(root: Node, part: Node, key: str, child: Node, kind: str) -> Entry:
    default, required = child.get("default", NOT_THERE), key in part.get("required", ())
    if "const" in child:  # the name of a kind
        name = child["const"]
        said = f"{name}: {child.get('description', '')}"
        return Entry((), said, "", name, None if required else str(name), required)
    unit: str = child.get("unit", "")
    shown: str | None = None
    if default not in (NOT_THERE, "") and not isinstance(default, dict):
        shown = _as_yaml(default)
    return Entry(
        (kind,) if kind else (),
        child.get("description", ""),
        UNITS.get(unit, unit),
        values_of(root, child),
        shown,
        required,
    )


def _add(entries: list[Entry], new: Entry) -> None:
    """Add an entry; one that differs in its kinds alone is added to the one that is there."""
    for k, one in enumerate(entries):
        if one._replace(of=()) == new._replace(of=()):
            entries[k] = one._replace(of=tuple(dict.fromkeys([*one.of, *new.of])))
            return
        if not one.of and not new.of:  # names of kinds
            if new.values not in one.values.split(", "):
                values, said = f"{one.values}, {new.values}", f"{one.meaning}\n{new.meaning}"
                entries[k] = one._replace(values=values, meaning=said)
            return
    entries.append(new)


def values_of(root: Node, node: Node) -> str:
    """Return in words what a value can be."""
    parts = list(_alternatives(root, node))
    titles = dict.fromkeys(part["title"] for part in parts if ": " in part.get("title", ""))
    kinds = ", ".join(title.partition(": ")[2] for title in titles)
    chosen = f"a mapping with {next(iter(titles)).partition(': ')[0]}: {kinds}" if titles else ""
    told = (*titles, "cycles", SHORT)
    said = [_value(root, part) for part in parts if part.get("title") not in told]
    return " or ".join(dict.fromkeys(one for one in (*said, chosen) if one))


def _value(root: Node, part: Node) -> str:
    if "enum" in part or "const" in part:
        return ", ".join(map(str, part.get("enum", [part.get("const")])))
    kind = part.get("type")
    if kind in ("number", "integer"):
        return f"a {'whole ' if kind == 'integer' else ''}number{_bounds(part)}"
    if kind == "array":
        items, most = values_of(root, part.get("items", {})), part.get("maxItems")
        n = f" of {most}" if most and most == part.get("minItems") else ""
        return f"a list{n}" + (f": {items}" if "mapping" not in items and items else "")
    words = {"boolean": "true, false", "object": "a mapping", "string": "the name of a file"}
    return "a time" if "pattern" in part else words.get(str(kind), "")


def _bounds(part: Node) -> str:
    """Say between which bounds a number must be; those of all numbers are left out."""
    low, high = part.get("minimum"), part.get("maximum", part.get("exclusiveMaximum"))
    said = []
    if part.get("exclusiveMinimum") == 0:
        said.append("above 0")
    elif low is not None and abs(low) < LARGEST:
        said.append(f"at least {_number(low)}")
    if high is not None and high < LARGEST:
        said.append(f"{'at most' if 'maximum' in part else 'below'} {_number(high)}")
    elif high is not None and isinstance(high, int):
        said.append(f"below {_number(high)}")
    return f" {', '.join(said)}" if said else ""


def _number(value: float) -> str:
    whole = abs(int(value))
    if whole > 1000 and whole & (whole - 1) == 0:
        return f"{'−' if value < 0 else ''}2^{whole.bit_length() - 1}"
    return f"{value:,.12g}".replace(",", " ").replace("-", "−")


def _as_yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_as_yaml, value))}]"
    words = {True: "true", False: "false", None: "none"}
    return words[value] if value is None or isinstance(value, bool) else f"{value}"


def more_of(keys: Keys, key: str) -> str:
    """Return where more is said of a key."""
    if key in OF_SINES or all(entry.of == MAXWELL for entry in keys[key]):
        return "docs/maxwell.md"
    return f"docs/model.md, section {SECTIONS.get(key.partition('.')[0], 4)}"


def below(keys: Keys, path: str) -> list[str]:
    """Return the keys right below one; those of the input itself if it is empty."""
    return [key for key in keys if key.rpartition(".")[0] == path]


def found(keys: Keys, asked: str) -> str | None:
    """Return the key that a user names: whole, by its end alone, or by its beginning.

    Numbers of items are passed over: ``regions[0].size`` is ``regions.size``.
    """
    key = re.sub(r"\[\d*\]|\.\d+(?=\.|$)", "", asked.strip().rstrip(":"))
    if key in keys:
        return key
    ends = [one for one in keys if one.endswith(f".{key}")]
    begins = [one for one in keys if one.startswith(key) and one.count(".") == key.count(".")]
    return next((some[0] for some in (ends, begins) if len(some) == 1), None)


def with_unit(asked: str) -> str:
    """Return a key with its unit, for an axis; alone if it has none, or one that others decide."""
    keys = all_keys()
    key = found(keys, asked)
    units = {entry.unit for entry in keys[key] if entry.unit} if key else set()
    unit = units.pop() if len(units) == 1 else "none"
    return asked if unit.startswith(("none", "that of")) else f"{asked} ({unit})"


def near(keys: Keys, asked: str) -> list[str]:
    """Return the keys that a word may have meant, the likeliest first."""
    ends = [one for one in keys if one.endswith(f".{asked}")]
    last = {one.rpartition(".")[2]: one for one in reversed(keys)}
    close = get_close_matches(asked, keys, 3, 0.7)
    close += [last[one] for one in get_close_matches(asked.rpartition(".")[2], last, 2, 0.7)]
    return list(dict.fromkeys([*ends, *close]))[:4]

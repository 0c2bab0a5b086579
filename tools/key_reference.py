"""Writes docs/keys.md: all keys of an input, as `hpcepm explain` has them.

``python -m tools.key_reference``
"""

from pathlib import Path
from typing import Final

from hpcepm.input.keys import SECTIONS, Entry, Keys, all_keys

PAGE: Final = Path(__file__).parents[1] / "docs" / "keys.md"

HEAD: Final = """\
# Keys of an input

All of them, with meaning, unit, default and bounds. `hpcepm explain KEY` says the same of one,
those of plug-ins included, and `hpcepm schema` prints all as a JSON Schema, for editors
([check.md](check.md)). The contract is [model.md](model.md). Stresses are in Lennard-Jones units,
lengths in cells; a strain has no unit. In brackets: of which kinds of a section a key is.

<!-- made by: python -m tools.key_reference -->
"""

AS_INITIAL: Final = ("thresholds.renewal", "regions.thresholds.draw")
"""Distributions whose keys are those of ``thresholds.initial``."""


def page() -> str:
    """Return the page."""
    keys = all_keys()
    sections = dict.fromkeys(key.partition(".")[0] for key in keys)
    return "\n".join([HEAD, *(_section(keys, name) for name in sections)])


def _section(keys: Keys, name: str) -> str:
    """Return what the page says of a key at the top and of all below it."""
    of_section = [key for key in keys if key == name or key.startswith(f"{name}.")]
    shown = [key for key in of_section if not key.startswith(tuple(f"{k}." for k in AS_INITIAL))]
    rows = [_row(key, entry) for key in shown for entry in keys[key]]
    number = SECTIONS.get(name, 4)
    lines = [
        f"## {name}",
        "",
        f"More: [model.md](model.md), section {number}.",
        "",
        "| key | meaning | unit | default | values |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    same = [key for key in AS_INITIAL if key in of_section]
    if same:
        lines += [
            f"The keys of `{same[0]}` are those of `thresholds.initial`, but for `field`.",
            "",
        ]
    return "\n".join(lines)


def _row(key: str, entry: Entry) -> str:
    names = ", ".join(one.partition(": ")[2] or one for one in entry.of)
    meaning = entry.meaning.replace("\n", "<br>") + (f" [{names}]" if names else "")
    default = "required" if entry.is_required else entry.default or ""
    unit = entry.unit.partition(" (")[0] if entry.unit.startswith("none") else entry.unit
    cells = [f"`{key}`", meaning, unit, default, entry.values]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()

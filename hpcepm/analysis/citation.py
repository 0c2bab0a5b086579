"""What to cite: this program, as it made a run, and the paper of its model; as BibTeX.

Title, authors and paper are in CITATION.cff, too; a test holds the two together.
"""

import os
from collections.abc import Iterator
from typing import Final

from hpcepm import __version__
from hpcepm.identity import Identity

from .results import open_run

TITLE: Final = (
    "hpcepm: large-lattice elasto-plastic models of amorphous plasticity, parallel with MPI"
)
AUTHORS: Final = "The hpcepm authors"
PAPER_TITLE: Final = "Coarse-graining amorphous plasticity: impact of rejuvenation and disorder"
PAPER_AUTHORS: Final = (
    ("Tyukodi", "Botond"),
    ("Barbot", "Armand"),
    ("García-García", "Reinaldo"),
    ("Lerbinger", "Matthias"),
    ("Patinet", "Sylvain"),
    ("Vandembroucq", "Damien"),
)
TEX: Final = str.maketrans({"í": r"{\'i}", **{mark: rf"\{mark}" for mark in "_&%#$"}})
NO_TEX: Final = str.maketrans("{}\\", "()/")
"""What would end a field; a run may be a stranger's."""


def bibtex(directory: str | os.PathLike[str] | None) -> str:
    """Return BibTeX entries of the program and of the paper.

    Parameters
    ----------
    directory
        Of a run: the versions are those that made it. Without one it is the program at hand.

    Raises
    ------
    NoRun
        There is no run, or it is damaged.
    """
    year, notes = "", [f"version {__version__}"]
    if directory is not None:
        with open_run(directory) as run:
            identity = Identity.of(run.file)
        year, notes = identity.created[:4], list(_notes(identity))
    program = {
        "author": f"{{{AUTHORS}}}",
        "title": f"{{{TITLE}}}",
        "year": year,
        "note": ", ".join(notes).translate(NO_TEX),
    }
    paper = {
        "author": " and ".join(", ".join(name) for name in PAPER_AUTHORS),
        "title": f"{{{PAPER_TITLE}}}",
    }
    return f"{_entry('hpcepm', program)}\n\n{_entry('tyukodi-coarse-graining', paper)}"


def _notes(identity: Identity) -> Iterator[str]:
    """Yield what made a run: several versions or commits if its parts had others."""
    for what, name in (("version", "hpcepm_version"), ("git commit", "git_commit")):
        found = dict.fromkeys(part.get(name, "unknown") for part in identity.parts)
        if known := " and ".join(one for one in found if one != "unknown"):
            yield f"{what} {known}"
    yield f"run {identity.run}"


def _entry(key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name:<6} = {{{text.translate(TEX)}}}," for name, text in fields.items() if text]
    return "\n".join([f"@misc{{{key},", *lines, "}"])

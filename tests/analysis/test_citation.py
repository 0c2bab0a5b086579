"""What ``hpcepm cite`` prints: BibTeX that can be read, of the versions that made a run."""

import json
import re
from pathlib import Path

import yaml

from hpcepm import __version__
from hpcepm.analysis.citation import AUTHORS, PAPER_AUTHORS, PAPER_TITLE, TITLE, bibtex
from tests.conftest import ROOT, run_python

from .conftest import rewritten


def fields(text: str) -> list[dict[str, str]]:
    """Read BibTeX: one entry after the other, the braces of each field in pairs."""
    entries = re.findall(r"^@misc\{[\w-]+,\n(.*?)^\}$", text, re.M | re.S)
    assert entries and text.count("{") == text.count("}")
    return [dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.M)) for entry in entries]


def test_the_file_for_citing_says_the_same() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (paper,) = cff["references"]
    names = tuple((one["family-names"], one["given-names"]) for one in paper["authors"])
    assert (cff["title"], cff["authors"]) == (TITLE, [{"name": AUTHORS}])
    assert cff["version"] == __version__
    assert (paper["title"], names) == (PAPER_TITLE, PAPER_AUTHORS)


def test_the_program_at_hand_and_the_paper() -> None:
    done = run_python(["-m", "hpcepm", "cite"], None, ROOT)
    program, paper = fields(done.stdout)
    assert program["note"] == f"version {__version__}" and "year" not in program
    assert paper["author"].startswith("Tyukodi, Botond and ") and r"Garc{\'i}a" in paper["author"]


def test_a_run_names_what_made_it(single: Path) -> None:
    program, _ = fields(bibtex(single))
    said = (
        rf"version {re.escape(__version__)}, (git commit [0-9a-f]+(-dirty)?, )?run [0-9a-f]{{32}}"
    )
    assert re.fullmatch(said, program["note"]) and re.fullmatch(r"20\d\d", program["year"])


def test_parts_under_several_versions_of_a_stranger(single: Path, tmp_path: Path) -> None:
    parts = [
        {"hpcepm_version": "0.0.9", "git_commit": "unknown"},
        {"hpcepm_version": "0.1.0", "git_commit": "}, x = {\\input"},
    ]
    copy = rewritten(single, tmp_path, lambda file: file.attrs.update(parts=json.dumps(parts)))
    program, _ = fields(bibtex(copy))
    assert program["note"].startswith("version 0.0.9 and 0.1.0, git commit ), x = (/input, run ")
    assert set(program) == {"author", "title", "year", "note"}


def test_no_run(tmp_path: Path) -> None:
    done = run_python(["-m", "hpcepm", "cite", "nowhere"], None, tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout
    assert "nowhere/run.h5: No such file" in done.stderr

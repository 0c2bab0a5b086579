"""The site of the documents: what would be wrong in it is told, and the API is all there.

That it builds, notebooks included, is seen to by tools/docs in the gate.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import hpcepm
from hpcepm.cli.options import ALL_COMMANDS
from tests.conftest import ROOT

PAGES = {
    "README.md": "# All\n",
    "docs/faq.md": "# Wrong\n\n[a link](nowhere.md) and $\\nosuchmacro{x}$\n",
    "docs/api.md": "# API\n\n<!-- autodoc: function hpcepm.no_such_name -->\n",
    "docs/alone.md": "# In no chapter\n",
    "docs/the_model.md": "# Right\n\n$\\hat G$ is $$\n\\frac{1}{2}\n$$\n",
}
TOLD = (
    "docs/alone.md: WARNING: document isn't included in any toctree",
    "docs/faq.md:3: WARNING: 'myst' cross-reference target not found: 'nowhere.md'",
    "\\nosuchmacro",
    "no_such_name",
)


def test_what_is_wrong_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", tmp_path / "docs")
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", "site"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert [what for what in TOLD if what not in done.stderr] == [], done.stderr
    assert done.stderr.count("WARNING") == len(TOLD), done.stderr
    page = (tmp_path / "site" / "docs" / "the_model.html").read_text()
    assert page.count("<math ") == 2 and "<mfrac>" in page
    assert "http:" not in page.replace("http://www.w3.org", ""), "asks the network"


def test_every_command_is_in_the_contract_and_in_the_architecture() -> None:
    contract = (ROOT / "docs" / "model.md").read_text().partition("## 6. Command line")[2]
    (cli,) = re.findall("  cli/ .*", (ROOT / "ARCHITECTURE.md").read_text())
    for name in ALL_COMMANDS:
        assert re.search(rf"^\|.*`hpcepm {name}\b", contract, re.M), name
        assert re.search(rf"\b{name}\b", cli), name


def test_the_page_of_the_api_has_every_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    assert [name for name in hpcepm.__all__ if f"hpcepm.{name}" not in page] == []

"""How Sphinx makes the site (tools/docs): of the Markdown as it lies in the repository.

The source is the whole repository, so that links between its folders hold, and pages stay plain
Markdown that also reads well elsewhere. What plain Markdown cannot say is added here: the table of
contents, signatures and docstrings of the API, and equations as MathML, which browsers show without
a script or a network.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hpcepm import __version__  # noqa: E402

CONTENTS: Final = {
    "Begin": (
        "docs/installing",
        "docs/the_model",
        "docs/tutorial",
        "docs/first_steps",
        "docs/gallery",
        "docs/faq",
    ),
    "How to": (
        "docs/check",
        "docs/running",
        "docs/restart",
        "jobs/README",
        "docs/sweeps",
        "docs/own_data",
        "docs/soft_strip",
        "docs/protocols",
        "docs/time",
        "docs/maxwell",
        "docs/pictures",
        "docs/report",
        "docs/analysis",
        "docs/avalanches",
        "docs/sharing",
        "docs/calibration",
        "docs/extending",
        "docs/citing",
    ),
    "Reference": ("docs/model", "docs/keys", "docs/files", "docs/api"),
    "Evidence": (
        "docs/reliability",
        "docs/performance",
        "docs/physics",
        "docs/protocols_physics",
        "docs/time_physics",
        "docs/independent",
    ),
    "Development": ("ARCHITECTURE", "CONTRIBUTING", "tests/README", "CHANGELOG"),
}
"""The pages by chapter, where they are there; Sphinx tells of a page that is in none."""

project = "hpcepm"
author = copyright = "The hpcepm authors"
version = release = __version__
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/*.ipynb", "jobs/*.md", "tests/*.md"]
exclude_patterns = [".*", "build", "hpcepm", "paper", "runs"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!hpcepm\b).*")]  # what other packages document

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_in_temp = nb_execution_raise_on_error = True
nb_execution_timeout = 600  # the first may have to compile
autodoc_typehints = "none"  # signatures have them
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"hpcepm {version}"
html_math_renderer = "mathml"
html_show_sourcelink = html_show_sphinx = False


def extend(_app: Any, page: str, source: list[str]) -> None:
    """Add to the text of a page what plain Markdown cannot say."""
    source[0] = re.sub(r"<!-- autodoc: (\w+) ([\w.]+) -->", _documented, source[0])
    if page == root_doc:
        source[0] += "".join(_chapter(name, pages) for name, pages in CONTENTS.items())


def _documented(found: re.Match[str]) -> str:
    """Return what documents a name; its class has all public members."""
    kind, name = found.groups()
    members = "\n   :members:\n" if kind == "class" else "\n"
    return f"```{{eval-rst}}\n.. auto{kind}:: {name}{members}```"


def _chapter(name: str, pages: tuple[str, ...]) -> str:
    there = [page for page in pages if any(ROOT.glob(f"{page}.*[db]"))]
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {name}", *there, "```", ""])


def as_code(_app: Any, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    """Let `names` of a docstring be shown as code."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line) for line in lines]


def visit_equation(translator: Any, node: nodes.Element) -> None:
    """Write an equation as MathML."""
    block = isinstance(node, nodes.math_block)
    try:
        equation = tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logging.getLogger("math").warning("%s: %s", node.astext(), error, location=node)
        equation = ""
    translator.body.append(f"<div class='math'>{equation}</div>" if block else equation)
    raise nodes.SkipNode


def finish(app: Any, exception: Exception | None) -> None:
    """Let the first page be found under the usual name."""
    if exception is None:
        shutil.copy(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:
    """Tell Sphinx of all this."""
    app.connect("source-read", extend)
    app.connect("autodoc-process-docstring", as_code)
    app.connect("build-finished", finish)
    app.add_html_math_renderer("mathml", (visit_equation, None), (visit_equation, None))

"""The page: a template, and in it the content of a run as JSON.

Whatever a run says of itself is data on the page, never a part of it. In the text of the page it
is JSON in which no character can end the script that holds it; from there it reaches the reader as
text nodes and attributes of numbers alone. A policy in the head lets no other script run, and
nothing be fetched.
"""

import base64
import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from hpcepm import __version__
from hpcepm.files import write_told

SCRIPTS: Final = ("chart.js", "maps.js", "page.js")

AS_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""Characters that mean something in HTML, as JSON can write them too."""


def page(content: dict[str, Any], reload: float | None) -> str:
    """Return the page of a run.

    Parameters
    ----------
    content
        As `hpcepm.analysis.report.content` has it.
    reload
        After how many seconds the page looks for a newer one; None if there will be none.
    """
    written = datetime.now(UTC).isoformat(timespec="milliseconds")
    data = content | {"written": written, "reload": reload, "version": __version__}
    dense = json.dumps(data, allow_nan=False, separators=(",", ":")).translate(AS_ESCAPES)
    script = "\n".join(_resource(name) for name in SCRIPTS)
    style = _resource("page.css")
    parts = {
        "style": style,
        "style_digest": _digest(style),
        "script": script,
        "script_digest": _digest(script),
        "data": dense,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _resource("page.html"))


def write_page(path: Path, text: str) -> Path:
    """Write the page; see `write_told`."""
    return write_told(path, text.encode(), " (--out FILE.html puts it elsewhere)")


def _digest(text: str) -> str:
    """Return what the policy of a page names a script or a style by."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

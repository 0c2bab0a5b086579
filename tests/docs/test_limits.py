"""Files and functions that a reader can keep in mind: 400 and 60 lines, docstrings apart."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted(
    p for room in ("hpcepm", "jobs", "tests", "tools") for p in (ROOT / room).rglob("*.py")
)
LINES_OF_A_FILE: Final = 400
LINES_OF_A_FUNCTION: Final = 60


def too_long(source: str) -> Iterator[str]:
    """Tell what of a file is too long."""
    lines = source.count("\n")
    if lines > LINES_OF_A_FILE:
        yield f"{lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            own = (node.end_lineno or 0) - node.lineno + 1 - len(docstring.splitlines())
            if own > LINES_OF_A_FUNCTION:
                yield f"{node.name} has {own} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    assert not list(too_long(path.read_text()))


def test_what_is_too_long_is_found() -> None:
    body = "    x = 1\n" * 60
    long = f"def f():\n{body}"
    documented = f'def g():\n    """Say.\n\n    More.\n    """\n{body[:-10]}'
    assert list(too_long(long + documented)) == ["f has 61 lines"]
    assert list(too_long("x = 1\n" * 401)) == ["401 lines"]

"""The cache of compiled code.

One for each content of the package, for numba does not look at what a function calls.
"""

import shutil
from pathlib import Path

import numba
import pytest

from hpcepm.model import rng
from hpcepm.parallel import compiled
from tests.conftest import run_python


def test_it_is_where_it_belongs_even_if_numba_was_imported_before(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import numba\nfrom hpcepm import rng\nprint(rng.draw.stats.cache_path)\n"
    )
    found = run_python(
        ["late.py"], None, tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"), NUMBA_CACHE_DIR=""
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(str(tmp_path / "cache" / "hpcepm"))
    assert rng.draw.stats.cache_path.startswith(numba.config.CACHE_DIR)  # type: ignore[attr-defined]


def test_another_content_is_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "hpcepm"
    shutil.copytree(
        Path(compiled.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(compiled, "__file__", str(copy / "compiled.py"))
    before = compiled._cache_directory()
    assert before == compiled._cache_directory()
    (copy / "engines" / "direct.py").write_text("# other\n")
    assert compiled._cache_directory() != before


def test_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert compiled._cache_directory().startswith("/tmp") or "cache-" in compiled._cache_directory()

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

PRINT_WHERE = "import numba; from hpcepm.model import rng; print(rng.draw.stats.cache_path)"


def test_it_is_where_it_belongs_even_if_numba_was_imported_before(tmp_path: Path) -> None:
    home = str(tmp_path / "cache")
    found = run_python(["-c", PRINT_WHERE], None, tmp_path, XDG_CACHE_HOME=home, NUMBA_CACHE_DIR="")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(str(tmp_path / "cache" / "hpcepm"))
    assert rng.draw.stats.cache_path.startswith(numba.config.CACHE_DIR)  # type: ignore[attr-defined]


@pytest.mark.parametrize("changed", ["model/engines/direct.py", "parallel/exchange.py"])
def test_another_content_is_another_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    copy = tmp_path / "hpcepm"
    package = Path(compiled.__file__).parents[1]
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiled, "__file__", str(copy / "parallel" / "compiled.py"))
    before = compiled._cache_directory()
    assert before == compiled._cache_directory()
    (copy / changed).write_text("# other\n")
    assert compiled._cache_directory() != before


def test_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert compiled._cache_directory().startswith("/tmp") or "cache-" in compiled._cache_directory()

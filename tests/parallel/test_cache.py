"""The cache of compiled code: nothing is loaded that this user did not write, as it was written."""

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numba
import pytest

from hpcepm.parallel import cache
from tests.conftest import ROOT, end, run_python, start

MODULE = """
from hpcepm.parallel import compiled
told = []
compiled.tell_of_compiling(lambda: told.append("told"))
compiled.LOOP = ".twice"
@compiled.compiled
def twice(x):
    return 2 * x
print(twice(21), told)
if not compiled.IN_PYTHON:
    print(twice.entry.stats.cache_path, len(twice.entry.stats.cache_hits))
"""


def twice(x: int) -> int:
    return 2 * x


def thrice(x: int) -> int:
    return 3 * x


def loaded(directory: Path, function: Callable[[int], int] = twice) -> bool:
    """Return whether a function was in the cache, and not compiled; it must be right anyway."""
    dispatcher: Any = numba.njit(function)
    dispatcher._cache = cache.Entries(function, directory)
    assert dispatcher(21) == function(21)
    return bool(dispatcher.stats.cache_hits)


def only_entry(directory: Path) -> Path:
    (entry,) = directory.iterdir()
    assert entry.suffix == cache.SUFFIX
    return entry


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a directory with one entry, of `twice`."""
    directory = tmp_path / "kept"
    directory.mkdir(mode=0o700)
    assert [loaded(directory), loaded(directory)] == [False, True]
    return directory


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return the first and the second place for the cache, neither of them made."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "home"))
    return tmp_path / "home" / "hpcepm", temporary / f"hpcepm-{os.geteuid()}"


# What a version is


def copy_of_the_package(tmp_path: Path) -> Path:
    package = tmp_path / "hpcepm"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "hpcepm", package, ignore=ignore)
    return package


@pytest.mark.parametrize(
    "changed", ["model/engines/direct.py", "layout.py", "cli/run.py", "text.py"]
)
def test_another_content_is_another_version_where_it_is_compiled(
    tmp_path: Path, changed: str
) -> None:
    package = copy_of_the_package(tmp_path)
    before = cache.version_of(package)
    assert before == cache.version_of(ROOT / "hpcepm")
    (package / changed).write_text("# other\n")
    cache.digest_of_file.cache_clear()
    assert (cache.version_of(package) == before) == (changed in ("cli/run.py", "text.py"))


def test_what_moves_from_one_file_to_the_next_is_another_version(tmp_path: Path) -> None:
    versions, folder = [], tmp_path / "model"
    folder.mkdir()
    for first, second in [("a = 1\nb = 2\n", "c = 3\n"), ("a = 1\n", "b = 2\nc = 3\n")]:
        (folder / "1.py").write_text(first)
        (folder / "2.py").write_text(second)
        cache.digest_of_file.cache_clear()
        versions.append(cache.version_of(tmp_path))
    assert versions[0] != versions[1]


@pytest.mark.parametrize("compiler", ["numba", "llvmlite", "numpy"])
def test_another_compiler_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    before = cache.version_of(tmp_path)
    monkeypatch.setattr(f"{compiler}.__version__", "0.0")
    assert cache.version_of(tmp_path) != before


def test_the_program_starts_beside_sources_that_cannot_be_read(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    before = cache.version_of(package)
    (package / ".#run.py").symlink_to("user@host.1234:5678")  # what Emacs leaves
    (package / "model" / "loop.py~.py").symlink_to(package / "model" / "loop.py~.py")
    (package / "directory.py").mkdir()
    os.mkfifo(package / "pipe.py")
    assert cache.version_of(package) == before
    where = str(tmp_path / "cache" / "hpcepm" / before)
    assert run_module(tmp_path, {"PYTHONPATH": str(tmp_path)}) == ["42", "['told']", where, "0"]


# Where it is


def run_module(tmp_path: Path, environment: dict[str, str]) -> list[str]:
    """Run `MODULE` in a process of its own; return the words it prints."""
    (tmp_path / "module.py").write_text(MODULE)
    homes = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = run_python(["module.py"], None, tmp_path, 60, **{**homes, **environment})
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout.split()


def test_the_first_start_compiles_and_the_second_loads(tmp_path: Path) -> None:
    where = str(tmp_path / "cache" / "hpcepm" / cache.version_of(ROOT / "hpcepm"))
    assert run_module(tmp_path, {}) == ["42", "['told']", where, "0"]
    assert run_module(tmp_path, {}) == ["42", "[]", where, "1"]


def test_nothing_is_touched_without_a_compiler(tmp_path: Path) -> None:
    assert run_module(tmp_path, {"NUMBA_DISABLE_JIT": "1"}) == ["42", "[]"]
    assert not (tmp_path / "cache").exists()


def test_a_run_that_finds_no_place_compiles_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / f"hpcepm-{os.geteuid()}").symlink_to(tmp_path)
    nowhere = {"XDG_CACHE_HOME": "/dev/null/none", "TMPDIR": str(tmp_path)}
    before = sorted(os.listdir(tmp_path))
    for _ in range(2):
        assert run_module(tmp_path, nowhere) == ["42", "[]", "None", "0"]
    assert sorted({*os.listdir(tmp_path)} - {"module.py"}) == before


def test_directories_are_private(homes: tuple[Path, Path]) -> None:
    old = os.umask(0)
    try:
        found = cache.private_directory("1")
    finally:
        os.umask(old)
    assert found == homes[0] / "1"
    assert [path.stat().st_mode & 0o777 for path in (found, found.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o755, 0o1777, 0o711])
def test_a_wider_directory_is_made_private(homes: tuple[Path, Path], mode: int) -> None:
    for path in (homes[0], homes[0] / "1"):
        path.mkdir(parents=True)
        path.chmod(mode)
    assert cache.private_directory("1") == homes[0] / "1"
    assert [p.stat().st_mode & 0o777 for p in (homes[0], homes[0] / "1")] == [0o700, 0o700]


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("kind", ["link", "broken link", "file", "pipe"])
def test_what_is_no_directory_is_not_used(
    homes: tuple[Path, Path], tmp_path: Path, kind: str, inner: bool
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    make: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(tmp_path / "elsewhere"),
        "broken link": lambda path: path.symlink_to(tmp_path / "nothing"),
        "file": lambda path: path.write_text("?"),
        "pipe": os.mkfifo,
    }
    for home, instead in ((homes[0], homes[1] / "1"), (homes[1], None)):
        shutil.rmtree(home, ignore_errors=True)
        place = home / "1" if inner else home
        place.parent.mkdir(parents=True, exist_ok=True)
        make[kind](place)
        assert cache.private_directory("1") == instead
    assert not (tmp_path / "nothing").exists() and not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("inner", [False, True])
def test_a_directory_of_someone_else_is_left_as_it_is(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, inner: bool
) -> None:
    theirs = homes[0] / "1" if inner else homes[0]
    theirs.mkdir(parents=True, mode=0o755)
    real, us = os.fstat, os.geteuid()

    def fstat(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        if not os.path.samestat(status, theirs.stat()):
            return status
        return os.stat_result([*status[:4], us + 1, *status[5:]])

    monkeypatch.setattr(os, "fstat", fstat)
    assert cache.private_directory("1") == homes[1] / "1"
    assert theirs.stat().st_mode & 0o777 == 0o755


def test_where_modes_mean_nothing_nothing_is_kept(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    homes[0].mkdir(parents=True)
    homes[0].chmod(0o777)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    assert cache.private_directory("1") == homes[1] / "1"


def test_a_user_without_home_or_name(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(user: int) -> object:
        raise KeyError(user)

    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()
    assert cache.private_directory("1") == homes[1] / "1"


def test_a_home_that_cannot_be_written(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for home in ("/proc/none", "/dev/null", __file__):
        monkeypatch.setenv("NUMBA_CACHE_DIR", home)
        assert cache.private_directory("1") == homes[1] / "1"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(homes[0].parent))
    monkeypatch.setattr(os, "access", lambda path, _: homes[0] not in Path(path).parents)
    assert cache.private_directory("1") == homes[1] / "1"


def test_no_directory_for_temporary_files(
    homes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/dev/null")
    assert cache.private_directory("1") is None


# What an entry is


def test_a_damaged_entry_is_compiled_anew(kept: Path) -> None:
    entry = only_entry(kept)
    sound = entry.read_bytes()
    random = Random(1)
    places = [0, 31, 32, 33, len(sound) - 1, *random.choices(range(len(sound)), k=25)]
    flipped = [
        sound[:k] + bytes([sound[k] ^ random.randrange(1, 256)]) + sound[k + 1 :] for k in places
    ]
    truncated = [sound[:k] for k in (0, 1, 31, 32, 33, len(sound) - 1, *places[-10:])]
    others = [sound + b"\0", bytes(len(sound)), sound[::-1], sound[32:], b"not an entry"]
    for damaged in (*flipped, *truncated, *others):
        entry.write_bytes(damaged)
        assert [loaded(kept), loaded(kept)] == [False, True]
    assert only_entry(kept) == entry


def test_a_run_over_a_damaged_entry(tmp_path: Path) -> None:
    where = Path(run_module(tmp_path, {})[2])
    content = bytearray(only_entry(where).read_bytes())
    content[len(content) // 2] ^= 4
    only_entry(where).write_bytes(content)
    hits = [run_module(tmp_path, {})[-1] for _ in range(2)]
    assert hits == ["0", "1"]


class Planted:
    """Makes a directory when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.makedirs, (str(self.mark), 0o700, True)  # looked at twice: a wait lies between


@pytest.mark.parametrize("mode", [0o600, 0o620, 0o602, 0o666])
def test_code_that_others_could_have_planted_is_not_run(
    kept: Path, tmp_path: Path, mode: int
) -> None:
    entry, mark = only_entry(kept), tmp_path / "mark"
    cache._write(entry, pickle.dumps((Planted(mark), None)))
    entry.chmod(mode)
    assert not loaded(kept)
    assert mark.exists() == (mode == 0o600)  # what we wrote ourselves is unpickled


def test_an_entry_of_someone_else_is_not_loaded(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert not loaded(kept)


@pytest.mark.parametrize("kind", ["pipe", "broken link", "directory"])
def test_what_is_no_file_does_not_hang(kept: Path, kind: str) -> None:
    entry = only_entry(kept)
    entry.unlink()
    make: dict[str, Callable[[Path], object]] = {
        "pipe": os.mkfifo,
        "broken link": lambda path: path.symlink_to(kept / "nothing"),
        "directory": Path.mkdir,
    }
    make[kind](entry)
    assert [loaded(kept), loaded(kept)] == [False, kind != "directory"]
    assert only_entry(kept) == entry


def test_an_entry_of_another_function_or_signature_is_not_loaded(tmp_path: Path) -> None:
    assert not loaded(tmp_path)
    entry = only_entry(tmp_path)
    sound = entry.read_bytes()
    entry.unlink()
    assert not loaded(tmp_path, thrice)
    other = only_entry(tmp_path)
    other.write_bytes(sound)
    assert [loaded(tmp_path, thrice), loaded(tmp_path, thrice)] == [False, True]


def test_an_entry_of_a_class_that_is_not_there(kept: Path) -> None:
    for name in (b"no_such_module\nKind", b"os\nNoSuchKind"):
        cache._write(only_entry(kept), b"c" + name + b"\n.")
        assert [loaded(kept), loaded(kept)] == [False, True]


def test_an_edited_function_and_one_without_a_source_are_compiled(tmp_path: Path) -> None:
    for factor in (2, 3):
        for source in (str(tmp_path / "source.py"), "<string>"):
            text = f"def times(x):\n    return {factor} * x\n"
            (tmp_path / "source.py").write_text(text)
            cache.digest_of_file.cache_clear()
            names: dict[str, Any] = {"__name__": "source"}
            exec(compile(text, source, "exec"), names)
            (tmp_path / "kept").mkdir(exist_ok=True)
            assert not loaded(tmp_path / "kept", names["times"])
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_functions_of_one_name(tmp_path: Path) -> None:
    def times(factor: int) -> Callable[[int], int]:
        return lambda x: factor * x

    functions: list[Callable[[int], int]] = [times(2), times(3), lambda x: 4 * x]
    functions += [lambda x: 5 * x]
    assert [loaded(tmp_path, f) for f in functions * 2] == 4 * [False] + 4 * [True]


def test_a_full_disk_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert [loaded(tmp_path), loaded(tmp_path)] == [False, False]
    assert not any(tmp_path.iterdir())


def test_a_directory_that_vanishes_costs_time_only(kept: Path) -> None:
    shutil.rmtree(kept)
    assert not loaded(kept)


def test_processes_that_start_at_once(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(MODULE)
    home = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    processes = [start(["module.py"], None, tmp_path, **home) for _ in range(4)]
    try:
        told = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            end(process)
    assert [(out.split()[0], err) for out, err in told] == [("42", "")] * 4
    assert sorted(out.split()[-1] for out, _ in told) == ["0", "1", "1", "1"]  # one has compiled
    assert run_module(tmp_path, home)[-1] == "1"

"""Compiled code on disk: only what this user wrote, and as it was written.

To load an entry is to run it: `pickle` calls what it is told to, and the rest is machine code. So
directories are private, an entry must belong to this user, and it begins with a checksum of the
rest. What is not so is compiled anew.

An entry is a file of its own, named after what it holds, and appears in one instant. So any number
of ranks and runs can start at once: those that compile the same replace each other's file by an
equal one. (In numba's own cache two processes can give one name to two signatures.) But as a rule
one compiles an entry, and the others sleep until it is there: see `Turns`.
"""

import fcntl
import inspect
import os
import pickle
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.serialize import dumps

from hpcepm.files import open_regular

from .linked import rebuilt, taken_apart

SUFFIX: Final = ".nbc"

COMPILED: Final = "model", "parallel"
"""The folders whose functions are compiled."""

CONSTANTS: Final = "layout.py", "schedule.py"
"""The files beside them whose constants compiled code may hold."""

LONGEST_WAIT: Final = 600.0
"""Seconds after which a process compiles what another still seems to be at: it may hang."""

SECONDS_BETWEEN_LOOKS: Final = 0.1

_DIGEST_BYTES: Final = sha256().digest_size


@cache
def digest_of_file(source: str) -> bytes:
    """Return the digest of a file; of none if there is nothing to read, as behind a broken link."""
    try:
        with open_regular(source) as file:
            return sha256(file.read()).digest()
    except OSError:
        return b""


def version_of(package: Path) -> str:
    """Return a name for what can be in compiled code: sources of a package, and what compiles them.

    numba looks at the file of a function, but not at the files of what that calls. Compiled code is
    in the folders of ``COMPILED`` alone, which import no other (pyproject.toml holds it), and has
    constants of ``CONSTANTS`` besides (tests/parallel/test_cache.py holds that).
    """
    compilers = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    files = [package / name for name in CONSTANTS]
    for folder in COMPILED:
        files += sorted((package / folder).rglob("*.py"))
    sources = (digest_of_file(str(path)) for path in files)
    return sha256(repr(compilers).encode() + b"".join(sources)).hexdigest()[:16]


def private_directory(version: str) -> Path | None:
    """Return the directory for compiled code, made if need be; None if none can be trusted.

    It is in ``NUMBA_CACHE_DIR``, ``XDG_CACHE_HOME`` or ``~/.cache``, whichever is set first, or
    else in the directory for temporary files.
    """
    for place in (_in_home, _in_temporary):
        with suppress(OSError, RuntimeError):  # RuntimeError: a user who has no home
            found = _made_private(_made_private(place()) / version)
            if os.access(found, os.W_OK):
                return found
    return None


def _in_home() -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    home = Path(named or Path.home() / ".cache").absolute()
    home.mkdir(parents=True, exist_ok=True)
    return home / "hpcepm"


def _in_temporary() -> Path:
    return Path(tempfile.gettempdir()).absolute() / f"hpcepm-{os.geteuid()}"


def _made_private(path: Path) -> Path:
    """Make a directory that nobody else can enter, or make the one that is there such.

    Raises
    ------
    OSError
        It belongs to someone else, is a link, or cannot be made private.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(directory)
        if status.st_uid == os.geteuid() and status.st_mode & 0o077:
            os.fchmod(directory, 0o700)
            status = os.fstat(directory)  # some file systems have no modes
    finally:
        os.close(directory)
    if not _is_ours_alone(status):
        raise PermissionError(f"{path} is of someone else, or others can write it")
    return path


def _is_ours_alone(status: os.stat_result) -> bool:
    """Return whether a file or directory is of this user, and nobody else can write it."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    """Return what `_write` wrote; None if there is nothing, or nothing to be trusted."""
    try:
        with open_regular(path) as file:
            ours = _is_ours_alone(os.fstat(file.fileno()))
            digest, content = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return content if ours and sha256(content).digest() == digest else None


def _write(path: Path, content: bytes) -> None:
    """Write a file in one instant, under a name of its own until it is complete."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(sha256(content).digest() + content)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


class Turns:
    """Who compiles an entry, while other processes wait: whoever has the lock of the kernel on it.

    Each entry is a byte of one file, so that nothing is left of a process that dies. Callees are
    compiled while the lock on the caller is held; no function calls its caller, so no two wait for
    each other. Where there are no locks, nobody waits.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory.with_suffix(".lock")
        self._descriptor: int | None = None

    def wait(self, entry: str) -> bool:
        """Wait until no other process compiles an entry, and keep it; return if there was one."""
        began, waited = time.monotonic(), False
        while time.monotonic() < began + LONGEST_WAIT:
            try:
                self._lock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                time.sleep(SECONDS_BETWEEN_LOOKS)  # who compiles needs the core
            except OSError:
                break
            else:
                break
        return waited

    def end(self, entry: str) -> None:
        """Let others have an entry."""
        with suppress(OSError):
            self._lock(entry, fcntl.LOCK_UN)

    def _lock(self, entry: str, what: int) -> None:
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        place = int.from_bytes(sha256(entry.encode()).digest()[:7], "big")
        fcntl.lockf(self._descriptor, what, 1, place)


turns = cache(Turns)
"""Those of a directory; one for a process, for to close a file ends all locks on it."""


before_compiling: Final[list[Callable[[str], None]]] = []
"""Called with the name of a function that is not in the cache, before it is compiled."""


class Entries(NullCache):  # type: ignore[misc]
    """The entries of a function: what numba's dispatcher asks before it compiles, and tells after.

    Parameters
    ----------
    function
        What is compiled. If its source cannot be read, nothing is kept.
    directory
        Where entries are, from `private_directory`.
    variant
        Tells ways of compiling one function apart.
    """

    def __init__(self, function: Callable[..., Any], directory: Path, variant: str = "") -> None:
        self._directory = directory
        self._turns = turns(directory)
        self._place = f"{function.__module__}.{function.__qualname__}"
        self._source = digest_of_file(inspect.getfile(function))
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        line = function.__code__.co_firstlineno
        closure = sha256(dumps(cells)).digest()
        self._function = (self._place, line, self._source, closure, variant)

    @property
    def cache_path(self) -> str:
        """The directory."""
        return str(self._directory)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the function compiled for a signature; None if it is to be compiled.

        What numba knows of typing and lowering is not loaded for that, unlike in its own cache: who
        compiles loads it, and a start without compiling takes a fifth less.
        """
        key = self._key(sig, target_context.codegen())
        found = self._load(key, target_context)
        if found is None:
            for tell in before_compiling:
                tell(self._place)
        if found is None and self._source:
            waited = self._turns.wait(self._path(key).name)
            found = self._load(key, target_context)  # whoever was first has compiled it
            if found is not None or waited:  # in vain: then all that wait compile at once
                self._turns.end(self._path(key).name)
        return found

    def _load(self, key: tuple[Any, ...], target_context: Any) -> Any:
        content = _read(self._path(key))
        if content is None:
            return None
        try:
            its_key, compiled = pickle.loads(content)
        except (ImportError, AttributeError):  # of a class by that name, in a module not there
            return None
        return rebuilt(target_context, *compiled) if its_key == key else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a function compiled for a signature, unless it has addresses of this process."""
        key = self._key(sig, data.codegen)
        if self._source and not data.library.has_dynamic_globals:
            with suppress(OSError):  # a full disk costs time at the next start, and not the run
                _write(self._path(key), dumps((key, taken_apart(data))))
        self._turns.end(self._path(key).name)

    def _key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*self._function, sig, codegen.magic_tuple())

    def _path(self, key: tuple[Any, ...]) -> Path:
        """Return a name for a key. Types of equal names share it: the key is in the file too."""
        return self._directory / f"{self._place}.{sha256(str(key).encode()).hexdigest()}{SUFFIX}"

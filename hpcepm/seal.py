"""Files that certify themselves: a block ahead of an HDF5 file holds a digest of all that follows.

HDF5 leaves room for it (the user block) and reads the file as ever. HDF5's own checksums guard the raw data of datasets alone:
a flipped bit in the rest can give a wrong number, or hang the library. So a sealed file is checked before HDF5 opens it.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from .parallel import Team

SEAL_BYTES: Final = 512  # the least that HDF5 grants
CHUNK: Final = 2**24


def seal(path: Path, team: Team) -> str | None:
    """Write the seal of a closed file, and bring it to disk; return what went wrong, the same on all ranks. Collective."""
    size, digest, problem = _digest(path, team)
    if problem is None and team.leads:
        try:
            with open(path, "rb+") as file:
                file.write(_seal_of(size, digest))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            problem = _said(path, error)
    return team.from_leader(problem)


def broken_seal(path: Path, team: Team) -> str | None:
    """Return what is wrong with a sealed file, the same on all ranks; None if it is as it was written. Collective."""
    size, digest, problem = _digest(path, team)
    if problem is None and team.leads:
        try:
            with open(path, "rb") as file:
                found = file.read(SEAL_BYTES)
            if found != _seal_of(size, digest):
                problem = f"{path}: is truncated, altered or not of this program (its checksum is wrong)"
        except OSError as error:
            problem = _said(path, error)
    return team.from_leader(problem)


def _seal_of(size: int, digest: str) -> bytes:
    return f"hpcepm sealed file 1\nbytes {size}\nsha256 {digest}\n".encode().ljust(SEAL_BYTES, b"\0")


def _said(path: Path, error: OSError) -> str:
    return f"{path}: {error.strerror or error}"


def _digest(path: Path, team: Team) -> tuple[int, str, str | None]:
    """Return size, digest of all that follows the seal, and what went wrong. The ranks share the reading. Collective."""
    size, problem, own = 0, None, []
    try:
        size = path.stat().st_size
    except OSError as error:
        problem = _said(path, error)
    size, problem = team.from_leader((size, problem))
    if problem is not None:
        return 0, "", problem
    try:
        with open(path, "rb") as file:
            for start in range(SEAL_BYTES + team.rank * CHUNK, size, team.size * CHUNK):
                file.seek(start)
                own.append(sha256(file.read(CHUNK)).digest())
    except OSError as error:
        problem = _said(path, error)
    digests = team.comm.allgather(own)
    whole = sha256()
    for k in range(-(-max(size - SEAL_BYTES, 0) // CHUNK)):
        chunks = digests[k % team.size]
        whole.update(chunks[k // team.size] if k // team.size < len(chunks) else b"")
    return size, whole.hexdigest(), team.first_found(problem)

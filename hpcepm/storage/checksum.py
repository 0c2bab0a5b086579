"""Files that certify themselves: a block ahead of an HDF5 file holds a digest of all that follows.

HDF5 leaves room for it (the user block) and reads the file as ever. HDF5's own checksums guard the
raw data of datasets alone: a flipped bit in the rest can give a wrong number, or hang the library.
So a sealed file is checked before HDF5 opens it.
"""

from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from hpcepm.parallel.ranks import Ranks

SEAL_BYTES: Final = 4096  # a page: fields begin on pages too
CHUNK: Final = 2**24
ALTERED: Final = "is truncated, altered or not of this program (its checksum is wrong)"


def seal(path: Path, ranks: Ranks) -> None:
    """Write the seal of a closed file. Collective.

    Raises
    ------
    ProblemOnRank
        The file cannot be read again, or not be written.
    """
    size, digest, problem = _digest(path, ranks)
    ranks.raise_together(problem)
    with ranks.collective_errors(f"{path}: cannot be written"):
        if ranks.is_root:
            with open(path, "rb+") as file:
                file.write(_seal_of(size, digest))


def sealed(image: bytes) -> bytes:
    """Return the bytes of a small file, whose first `SEAL_BYTES` HDF5 left free, with their seal."""
    rest = image[SEAL_BYTES:]
    chunks = (rest[k : k + CHUNK] for k in range(0, len(rest), CHUNK))
    return (
        _seal_of(
            len(image), sha256(b"".join(sha256(chunk).digest() for chunk in chunks)).hexdigest()
        )
        + rest
    )


def broken_seal_alone(path: Path) -> str | None:
    """Return what is wrong with a sealed file of moderate size; None if it is as it was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return _said(path, error)
    return None if sealed(content) == content else f"{path}: {ALTERED}"


def broken_seal(path: Path, ranks: Ranks) -> str | None:
    """Return what is wrong with a sealed file, the same on all ranks.

    None if it is as it was written. Collective.
    """
    size, digest, problem = _digest(path, ranks)
    if problem is None and ranks.is_root:
        try:
            with open(path, "rb") as file:
                found = file.read(SEAL_BYTES)
            if found != _seal_of(size, digest):
                problem = f"{path}: {ALTERED}"
        except OSError as error:
            problem = _said(path, error)
    return ranks.bcast(problem)


def _seal_of(size: int, digest: str) -> bytes:
    return f"hpcepm sealed file 1\nbytes {size}\nsha256 {digest}\n".encode().ljust(
        SEAL_BYTES, b"\0"
    )


def _said(path: Path, error: OSError) -> str:
    return f"{path}: {error.strerror or error}"


def _digest(path: Path, ranks: Ranks) -> tuple[int, str, str | None]:
    """Return size, digest of all that follows the seal, and what went wrong.

    The ranks share the reading. Collective.
    """
    size, problem, own = 0, None, []
    try:
        size = path.stat().st_size
    except OSError as error:
        problem = _said(path, error)
    size, problem = ranks.bcast((size, problem))
    if problem is not None:
        return 0, "", problem
    try:
        with open(path, "rb") as file:
            for start in range(SEAL_BYTES + ranks.rank * CHUNK, size, ranks.size * CHUNK):
                file.seek(start)
                own.append(sha256(file.read(CHUNK)).digest())
    except OSError as error:
        problem = _said(path, error)
    digests = ranks.comm.allgather(own)
    in_turn = chain.from_iterable(zip_longest(*digests, fillvalue=b""))
    return size, sha256(b"".join(in_turn)).hexdigest(), ranks.first_not_none(problem)

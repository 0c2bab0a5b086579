"""A file of many ranks, cut into pieces that each one rank writes.

The rows of a rank are strewn over the whole file, in strips of some hundred kilobytes. Written as
they lie, two machines would write to one page, and on a file system whose machines keep pages of
their own (NFS) the one that is later brings back old bytes; and file systems of many disks want few
large writes. So ranks first exchange rows, and then one of them writes a whole aligned piece
("two-phase I/O": Thakur, Gropp and Lusk, 1999). Only pieces are in memory twice, never a field.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

PIECE: Final = 2**22
"""Bytes that are written at once, and at multiples of which pieces begin."""

Bytes = NDArray[np.uint8]

Segments = Sequence[tuple[int, Bytes]]
"""Bytes of a file, and where they belong: in ascending order, and none twice."""


def pieces(
    comm: Any, those: Sequence[int], size: int, segments: Segments, shift: int = 0
) -> Iterator[tuple[int, Bytes]]:
    """Yield the pieces of a file that are for this rank: where each begins, and its bytes.

    Collective, to the last piece. The bytes are valid until the next piece.

    Parameters
    ----------
    comm
        Of all ranks that have a part in the file.
    those
        The ranks that get pieces, in turn; the last piece is for the first of them.
    size
        Of the file, in bytes.
    segments
        What this rank has of it. What no rank has is zero.
    shift
        By how many places in the turn a piece goes to another rank than with 0.
    """
    starts = range(0, size, PIECE)[::-1]
    memory = np.empty(min(PIECE, size), np.uint8)
    for first in range(0, len(starts), len(those)):
        start_for = {
            those[(k + shift) % len(those)]: start
            for k, start in enumerate(starts[first : first + len(those)])
        }
        own = start_for.get(comm.rank)
        piece = memory[: 0 if own is None else min(PIECE, size - own)]
        piece[:] = 0
        sent = {rank: _within(segments, start) for rank, start in start_for.items()}
        for start, data in sent.pop(comm.rank, ()):
            piece[start : start + data.size] = data
        if comm.size > 1:
            _exchange(comm, sent, piece)
        if own is not None:
            yield own, piece


def _within(segments: Segments, start: int) -> Segments:
    """Return what segments have of a piece, with places in it."""
    found = []
    for k in range(max(0, bisect_right(segments, start, key=itemgetter(0)) - 1), len(segments)):
        at, data = segments[k][0] - start, segments[k][1]
        if at >= PIECE:
            break
        part = data[max(0, -at) : PIECE - at]
        if part.size:
            found.append((max(0, at), part))
    return found


def _exchange(comm: Any, sent: dict[int, Segments], piece: Bytes) -> None:
    """Send bytes to the pieces of other ranks, from where they lie to where they belong."""
    told = [[(at, data.size) for at, data in sent.get(rank, ())] for rank in range(comm.size)]
    wanted = [[piece[at : at + n] for at, n in spans] for spans in comm.alltoall(told)]
    given = [[data for _, data in sent.get(rank, ())] for rank in range(comm.size)]
    comm.Alltoallw(outgoing := _message(given), incoming := _message(wanted))
    for kind in (*outgoing[-1], *incoming[-1]):
        if kind != MPI.BYTE:
            kind.Free()


def _message(parts_of: Sequence[Sequence[Bytes]]) -> tuple[Any, list[int], list[int], list[Any]]:
    """Return buffer, counts, displacements and types for bytes that lie anywhere in memory."""
    counts = [int(bool(parts)) for parts in parts_of]
    return MPI.BOTTOM, counts, [0] * len(counts), [_type_of(parts) for parts in parts_of]


def _type_of(parts: Sequence[Bytes]) -> MPI.Datatype:
    if not parts:
        return MPI.BYTE
    places = [MPI.Get_address(part) for part in parts]
    return MPI.BYTE.Create_hindexed([part.size for part in parts], places).Commit()

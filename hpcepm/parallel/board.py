"""What the ranks of a machine tell each other in a step, in memory that they share.

Each rank has a place on the board, which it alone writes: a number of the exchange, and a message.
All read all places. There are two of each, for exchanges of even and of odd numbers: a rank that is
ahead writes into the other one, and cannot be two exchanges ahead of any rank.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import record

from . import atomics
from .compiled import compiled, inlined
from .waiting import EXCHANGES_BETWEEN_LOOKS, LINE, Processors, look, make_processors, rest, rested

EVENT = record(site="i8", slip="f8", first="i8")
"""One event: global site, slip, and 1 if it is the site's first in this avalanche."""

_NUMBER, _LEFT, _EVENTS = 0, 1, 2  # of the exchange; events not yet sent; words of events
ROOM: Final = 62  # events of a message; longer lists are sent in turns
_WORDS: Final = (_EVENTS + 3 * ROOM + LINE - 1) // LINE * LINE


class Board(NamedTuple):
    """The places of all ranks of a machine."""

    size: int
    rank: int
    number: NDArray[np.int64]  # (1,): of the last exchange of this rank; not shared
    words: NDArray[np.int64]  # (size, 2, _WORDS)
    reals: NDArray[np.float64]  # the same memory
    processors: Processors


def make_board(node: Any, awaited: NDArray[np.int64]) -> Board:
    """Return the board of the ranks of a `Node`. Collective.

    ``awaited``, shape (1,), is where this rank says whom it waits for.
    """
    words = node.shared((node.size, 2, _WORDS), np.int64)
    processors = make_processors(node, awaited)
    return Board(
        node.size, node.rank, np.zeros(1, np.int64), words, words.view(np.float64), processors
    )


@inlined
def gather(board: Board, own: NDArray[Any], n_own: int, events: NDArray[Any]) -> int:
    """Put the events of all ranks of the machine into ``events``. Collective on the machine.

    Returns how many there are. If these are more than ``events`` can hold, only some are put.
    """
    total = filled = sent = 0
    while True:
        _write_events(board, own, sent, n_own)
        most = 0
        for rank in range(board.size):
            left = _await(board, rank)
            total += left if sent == 0 else 0
            most = max(most, left)
            filled = _read_events(board, rank, min(left, ROOM), events, filled)
        sent += ROOM
        if most <= ROOM or total > events.size:
            return total


@inlined
def gather_minimum(board: Board, value: float, site: int) -> tuple[float, int]:
    """Return the smallest value of the machine and its site, the lowest site among equals.

    Collective on the machine.
    """
    side = _next_side(board)
    board.words[board.rank, side, _EVENTS] = site
    board.reals[board.rank, side, _EVENTS + 1] = value
    _post(board, side, 1)
    for rank in range(board.size):
        _await(board, rank)
        its_site = board.words[rank, side, _EVENTS]
        its_value = board.reals[rank, side, _EVENTS + 1]
        if its_value < value or (its_value == value and its_site < site):
            value, site = its_value, its_site
    return value, site


@compiled
def meet(board: Board) -> None:
    """Wait until all ranks of the machine are here. Collective on it."""
    _post(board, _next_side(board), 0)
    for rank in range(board.size):
        _await(board, rank)


@inlined
def _next_side(board: Board) -> int:
    """Begin an exchange; return the side of the board on which it is."""
    board.number[0] += 1
    if board.number[0] % EXCHANGES_BETWEEN_LOOKS == 0:
        look(board.processors)
    return board.number[0] & 1


@inlined
def _post(board: Board, side: int, left: int) -> None:
    """Show the others what was written for this exchange."""
    board.words[board.rank, side, _LEFT] = left
    atomics.store_release(board.words[board.rank, side], _NUMBER, board.number[0])


@inlined
def _await(board: Board, rank: int) -> int:
    """Wait for the message of a rank; return how many events it had left when it wrote it."""
    number, place, turns = board.number[0], board.words[rank, board.number[0] & 1], 0
    while atomics.load_acquire(place, _NUMBER) < number:
        turns = rest(board.processors, rank, turns)
    rested(board.processors)
    return place[_LEFT]


@inlined
def _write_events(board: Board, own: NDArray[Any], sent: int, n_own: int) -> None:
    side = _next_side(board)
    words, reals = board.words[board.rank, side], board.reals[board.rank, side]
    for k in range(min(n_own - sent, ROOM, own.size - sent)):
        words[_EVENTS + 3 * k] = own[sent + k].site
        reals[_EVENTS + 3 * k + 1] = own[sent + k].slip
        words[_EVENTS + 3 * k + 2] = own[sent + k].first
    _post(board, side, max(n_own - sent, 0))


@inlined
def _read_events(board: Board, rank: int, n: int, events: NDArray[Any], filled: int) -> int:
    """Append events of a message; return how many there are then."""
    side = board.number[0] & 1
    words, reals = board.words[rank, side], board.reals[rank, side]
    n = min(n, events.size - filled)
    for k in range(n):
        events[filled + k].site = words[_EVENTS + 3 * k]
        events[filled + k].slip = reals[_EVENTS + 3 * k + 1]
        events[filled + k].first = words[_EVENTS + 3 * k + 2]
    return filled + n

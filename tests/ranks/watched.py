"""Ranks with watchdogs that do something for two seconds.

``python -m tests.ranks.watched WHAT``, one of the names in `DOING`.
"""

import socket
import sys
import time

from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.watchdog import Watchdog

STALL = 0.4
LONG = 2.0


def _one_is_at_work(ranks: Ranks, _: Watchdog) -> None:
    if ranks.rank == 1:
        time.sleep(LONG)
    ranks.allgather(None)


def _one_waits_for_what_is_never_sent(ranks: Ranks, _: Watchdog) -> None:
    if ranks.rank == 1:
        ranks.comm.recv(source=0, tag=7)
    ranks.allgather(None)


def _one_waits_on_the_board(ranks: Ranks, watchdog: Watchdog) -> None:
    if ranks.rank == 1:
        ranks.node.barrier()
    watchdog.idle = True
    time.sleep(10 * LONG)


def _one_shares_memory_alone(ranks: Ranks, watchdog: Watchdog) -> None:
    if ranks.rank == 1:
        ranks.node.shared(1000)
    watchdog.idle = True
    time.sleep(10 * LONG)


def _one_splits_alone(ranks: Ranks, watchdog: Watchdog) -> None:
    if ranks.rank == 1:
        ranks.comm.Split(0, 0)
    watchdog.idle = True
    time.sleep(10 * LONG)


def _one_waits_until_a_message_is_taken_in(ranks: Ranks, watchdog: Watchdog) -> None:
    if ranks.rank == 1:
        ranks.wait_for([ranks.comm.issend("nobody wants this", 0, 7)])
    watchdog.idle = True
    time.sleep(10 * LONG)


def _all_get_on(ranks: Ranks, watchdog: Watchdog) -> None:
    watchdog.idle = True
    for _ in range(20):
        if ranks.rank == 1:
            watchdog.step()
        time.sleep(LONG / 20)


def _strangers_speak(ranks: Ranks, watchdog: Watchdog) -> None:
    """Send what is no datagram of this run; it must neither end it nor keep it."""
    if ranks.is_root:
        port = watchdog._socket.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(20):
                for said in (b"", b"[" * 5000, b'["x", 1, 0.0, "ended"]', b"\xff\xfe", b"[1]"):
                    stranger.sendto(said, ("127.0.0.1", port))
                time.sleep(LONG / 20)
    ranks.allgather(None)


DOING = {
    "one is at work": _one_is_at_work,
    "one waits for what is never sent": _one_waits_for_what_is_never_sent,
    "one waits on the board": _one_waits_on_the_board,
    "one shares memory alone": _one_shares_memory_alone,
    "one splits alone": _one_splits_alone,
    "one waits until a message is taken in": _one_waits_until_a_message_is_taken_in,
    "all get on": _all_get_on,
    "strangers speak": _strangers_speak,
}


def main(what: str) -> None:
    """Do it, and end well if the watchdog lets it."""
    ranks = Ranks(launch.initialize())
    ranks.node.barrier()  # compiled, before anybody is watched
    watchdog = Watchdog(ranks, STALL)
    watchdog.doing = "is tested"
    DOING[what](ranks, watchdog)
    watchdog.stop()


if __name__ == "__main__":
    main(sys.argv[1])

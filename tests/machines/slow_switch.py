"""A switch that is slow and loses packets, for kernels without ``tc netem``. Needs Python alone.

``python -m tests.machines.slow_switch DELAY LOSS PID…`` puts a card ``eth0`` into the network of
each process. A frame that one sends arrives at the others after DELAY seconds, in order, or with a
probability of LOSS not at all.
"""

import contextlib
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque
from typing import Final, NoReturn

NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
SET_CARD: Final = 0x400454CA  # TUNSETIFF
TAP: Final = 0x0002 | 0x1000  # IFF_TAP | IFF_NO_PI: Ethernet frames, nothing before them
LARGEST: Final = 65536
GROUP: Final = 1
"""The bit of a first byte that makes an address one of many."""


def card_of(pid: int) -> int:
    """Make ``eth0`` in the network of a process; return the other end of its cable."""
    with open(f"/proc/{pid}/ns/net") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"the network of {pid}")
    cable = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(cable, SET_CARD, struct.pack("16sH22x", b"eth0", TAP))
    return cable


def switch(cables: list[int], delay: float, loss: float) -> NoReturn:
    """Pass frames on for ever."""
    chance = random.Random(1)
    where: dict[bytes, int] = {}  # the cable behind which an address was seen
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for cable in select.select(cables, [], [], pause)[0]:
            frame = os.read(cable, LARGEST)
            if chance.random() < loss:
                continue
            to, source = frame[:6], frame[6:12]
            where[source] = cable
            known = None if to[0] & GROUP else where.get(to)
            for other in [known] if known is not None else [c for c in cables if c != cable]:
                waiting.append((time.monotonic() + delay, other, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, cable, frame = waiting.popleft()
            with contextlib.suppress(OSError):  # that machine is gone, or its card is full
                os.write(cable, frame)


if __name__ == "__main__":
    cables = [card_of(int(pid)) for pid in sys.argv[3:]]
    print("up", flush=True)
    switch(cables, float(sys.argv[1]), float(sys.argv[2]))

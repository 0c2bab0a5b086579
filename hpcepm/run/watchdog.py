"""A run that makes no step ends itself, all ranks, so that it can go on from the last checkpoint.

A network that is cut without a word, a rank that is stopped, or a fault of MPI leave the others
waiting for ever. So each rank has a thread that looks how long the rank has neither made a step nor
been at work: it compiles, writes a large file, or convolves as long as it likes. Ranks tell rank 0,
by datagrams of their own, for MPI may be what hangs; rank 0 tells them how long all ranks it can
hear have been like that. A rank that is stopped, or cut off, is not heard.
"""

import fcntl
import json
import os
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from mpi4py import MPI

from hpcepm.parallel.launch import end_at_once, end_launcher
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.waiting import IN_MPI, NOBODY
from hpcepm.text import duration, write

from .journal import Journal

BEATS: Final = 20
"""How often a rank is heard of in the time after which a run is ended, at the least."""

LONGEST_BEAT: Final = 2.5
MISSED_BEATS: Final = 3
LARGEST_DATAGRAM: Final = 8192
NOT_HEARD: Final = 10
"""How many times as long is waited if some ranks cannot be heard from the beginning."""

SECONDS_TO_LOG: Final = 1.0
"""How long the log may take: its disk may be what hangs. Others end by themselves a bit later."""

SECONDS_TO_BE_ENDED: Final = 2.0
"""How long a rank that is told waits to be ended by the launcher, which rank 0 has asked before. If
ranks end while it is asked, Open MPI's launcher begins to end all by itself, and may crash."""

_LOOPBACK: Final = "127.0.0.1"
_SIOCGIFADDR: Final = 0x8915


class Heard(NamedTuple):
    """What a rank was last heard to say, and when."""

    at: float
    says: str


class Silence:
    """How long nobody got on, as one rank knows it.

    Parameters
    ----------
    now
        Seconds of a clock.
    """

    def __init__(self, now: float) -> None:
        self._since = now

    def broken(self, ago: float, now: float) -> None:
        """Note that somebody got on so many seconds ago."""
        self._since = max(self._since, now - max(ago, 0.0))

    def lasts(self, now: float) -> float:
        """Return for how many seconds nobody got on."""
        return now - self._since


class Watchdog:
    """The watchdog of a rank. Making it is Collective.

    Parameters
    ----------
    world
        All ranks of the run.
    stall
        After how many seconds without a step the run is ended; 0 for never.

    Attributes
    ----------
    doing
        What this rank does, in words.
    idle
        Whether this rank has nothing to do: it is not at work, though it waits for nobody.
    journal
        On rank 0: the log that is told why the run ended, if there is one.
    """

    def __init__(self, world: Ranks, stall: float) -> None:
        self.doing, self.idle = "prepares", False
        self.journal: Journal | None = None
        self._world, self._stall = world, stall
        self._beat = min(LONGEST_BEAT, stall / BEATS)
        self._looked = time.monotonic()
        self._silence = Silence(self._looked)
        self._name = f"rank {world.rank} on {socket.gethostname()}, process {os.getpid()}"
        self._heard: dict[int, Heard] = {}
        self._addresses: dict[int, Any] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if stall > 0 and world.size > 1:
            self._open()
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def _open(self) -> None:
        """Agree where rank 0 listens. Collective."""
        machines = set(self._world.allgather(MPI.Get_processor_name()))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((_LOOPBACK if len(machines) == 1 else "", 0))
        hosts = [_LOOPBACK] if len(machines) == 1 else list(_own_addresses())
        told = secrets.token_hex(8), hosts, self._socket.getsockname()[1]
        self._word, hosts, port = self._world.bcast(told)
        if not self._world.is_root:
            self._addresses = {-1 - k: (host, port) for k, host in enumerate(hosts)}

    def step(self) -> None:
        """Note that the run gets on."""
        self._silence.broken(0.0, time.monotonic())

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()
        if self._thread is not None:
            self._tell([(_LOOPBACK, self._socket.getsockname()[1])], 0.0, "")  # it listens
            self._thread.join()
            self._socket.close()
            self._thread = None

    def _watch(self) -> None:
        """Listen, speak, and look at the clock, until the run is over."""
        next_beat = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + self._beat
                self._look(now)
            self._socket.settimeout(max(0.001, next_beat - now))
            with suppress(OSError):
                self._listen(*self._socket.recvfrom(LARGEST_DATAGRAM))

    def _look(self, now: float) -> None:
        """Look whether this rank is at work, tell others, and end the run if it is time."""
        at_work = self._world.awaited[0] == NOBODY and not self.idle
        if at_work or now - self._looked > MISSED_BEATS * self._beat:  # this rank was stopped
            self._silence.broken(0.0, now)
        self._looked = now
        lasts = self._silence.lasts(now)
        if not self._world.is_root:
            self._tell(self._addresses.values(), lasts, self._says())
        if lasts > self._patience():
            self._end(lasts, now)

    def _patience(self) -> float:
        """Return how long a silence ends the run: at rank 0 first, for it can tell most."""
        if self._world.is_root:
            strangers = len(self._heard) < self._world.size - 1
            return self._stall * (NOT_HEARD if strangers else 1)
        return self._stall * (1 if self._heard else NOT_HEARD) + 2 * self._beat + 1.0

    def _listen(self, datagram: bytes, address: Any) -> None:
        """Take in what another rank says; anything else is ignored."""
        now = time.monotonic()
        try:
            word, rank, lasts, says = json.loads(datagram)
            lasts, known = float(lasts), word == self._word and isinstance(says, str)
        except (ValueError, TypeError, RecursionError):
            return
        if not known or not isinstance(rank, int) or not 0 <= rank < self._world.size:
            return
        self._heard[rank] = Heard(now, says)
        self._silence.broken(lasts, now)
        if self._world.is_root:
            self._addresses[rank] = address
            self._tell([address], self._silence.lasts(now), "")
        else:
            self._addresses = {0: address}
            if says:  # it ends the run, and has told why
                self._ended.wait(SECONDS_TO_BE_ENDED)
                end_at_once()

    def _tell(self, addresses: Iterable[Any], lasts: float, says: str) -> None:
        datagram = json.dumps([self._word, self._world.rank, lasts, says]).encode()
        for address in addresses:
            with suppress(OSError):
                self._socket.sendto(datagram, address)

    def _says(self) -> str:
        """Return what this rank does."""
        awaited = int(self._world.awaited[0])
        if self.idle:
            return f"{self._name}: has nothing to do"
        if awaited == NOBODY:
            return f"{self._name}: {self.doing}"
        whom = "others, in MPI" if awaited == IN_MPI else f"rank {awaited - 1} of its machine"
        return f"{self._name}: {self.doing}, waits for {whom}"

    def _end(self, lasts: float, now: float) -> None:
        """Say where each rank is that can be heard, and end all."""
        said = self.report(lasts, now)
        if self.journal is not None:  # before others are told: their end may be that of all
            log = threading.Thread(target=self.journal.break_off, args=(said,), daemon=True)
            log.start()
            log.join(SECONDS_TO_LOG)
        write("\n".join(said) + "\n", sys.stderr)
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        end_launcher()  # while all ranks are there
        if self._world.is_root:
            self._tell(self._addresses.values(), lasts, "ended")
        os._exit(1)

    def report(self, lasts: float, now: float) -> list[str]:
        """Return where each rank is, as far as this one knows, in lines."""
        lines = [
            f"hpcepm: stopped: no rank made a step or was at work for {duration(lasts)} "
            "(stall in the input). The network or a rank does not answer; "
            "--continue goes on from the last checkpoint",
            f"  {self._says()}",
        ]
        others = range(self._world.size) if self._world.is_root else [0]
        for rank in others:
            if rank == self._world.rank:
                continue
            heard = self._heard.get(rank)
            if heard is None:
                lines.append(f"  rank {rank}: was never heard")
            elif now - heard.at > MISSED_BEATS * self._beat:
                what = heard.says or f"rank {rank}"
                lines.append(f"  {what} (last heard {duration(now - heard.at)} ago)")
            else:
                lines.append(f"  {heard.says or f'rank {rank}: is heard'}")
        return lines


def _own_addresses() -> Iterable[str]:
    """Return the addresses of this machine that others may reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            with suppress(OSError):
                asked = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, asked)
                address = socket.inet_ntoa(answer[20:24])
                if not address.startswith("127."):
                    yield address

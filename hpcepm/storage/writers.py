"""Which ranks write the files that all have a part in, as the file system of these allows.

Where all machines see at once what one of them wrote, all write. Elsewhere (NFS, SMB, FUSE, or what
is not known here) a machine may keep old bytes, an old size or an old directory for a while, and
the machine of rank 0 writes for all: there, one kernel sees to it that nothing is old.
"""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from mpi4py import MPI

from hpcepm.parallel.ranks import Ranks

OF_MANY_MACHINES: Final = frozenset(
    ["beegfs", "ceph", "gfs2", "gpfs", "lustre", "ocfs2", "orangefs", "pvfs2"]
)
"""File systems, as Linux calls them, that show all machines the same at any moment."""

OF_ONE_KERNEL: Final = frozenset(
    ["btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"]
)
"""Those of a disk, or of memory: several machines that have one are containers of one kernel."""

UNKNOWN: Final = "an unknown file system"

MOUNTS: Final = "/proc/self/mountinfo"


class Writers(NamedTuple):
    """Which ranks write, and why."""

    ranks: list[int]  # rank 0 first, and as many machines as there are before a second rank of any
    machines: int  # of all ranks, whether they write or not
    all_write: bool
    file_system: str  # of the first machine that does not have a coherent one; else of rank 0's


def writers_in(folder: Path, ranks: Ranks) -> Writers:
    """Return which ranks write the files of a folder. Collective."""
    own = file_system(folder)
    if ranks.size == 1:
        return Writers([0], 1, True, own)
    machine = ranks.comm.Split_type(MPI.COMM_TYPE_SHARED)
    found = ranks.allgather((machine.rank, machine.bcast(ranks.rank), own))
    machine.Free()
    machines = {first for _, first, _ in found}
    others = [name for *_, name in found if name not in OF_MANY_MACHINES | OF_ONE_KERNEL]
    all_write = len(machines) == 1 or not others
    in_turn = [rank for _, rank in sorted((found[rank][0], rank) for rank in range(ranks.size))]
    those = in_turn if all_write else [rank for rank in in_turn if found[rank][1] == 0]
    return Writers(those, len(machines), all_write, others[0] if others else found[0][-1])


def file_system(folder: Path) -> str:
    """Return what Linux calls the file system of a folder: ``ext4``, ``nfs4``, ``fuse.sshfs``."""
    wanted, longest, found = os.fsencode(os.path.realpath(folder)), b"", UNKNOWN
    try:
        lines = Path(MOUNTS).read_bytes().splitlines()
    except OSError:  # this is not Linux
        return UNKNOWN
    for line in lines:
        place, _, kind = line.partition(b" - ")
        mounted = re.sub(rb"\\(\d{3})", lambda code: bytes([int(code[1], 8)]), place.split()[4])
        inside = wanted == mounted or wanted.startswith(mounted.rstrip(b"/") + b"/")
        if inside and len(mounted) >= len(longest):  # the last of those at one place hides others
            longest, found = mounted, kind.split()[0].decode(errors="replace")
    return found

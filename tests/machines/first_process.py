"""The first process of a machine: with it, all processes of the machine end. Needs Python alone.

``python -m tests.machines.first_process FOLDER NAME``, in namespaces of its own.
"""

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from tests.machines.shell import listen, serve


def main(folder: Path, name: str) -> None:
    """Make a machine of these namespaces; say "up", and do what the network asks for."""
    socket.sethostname(name)
    os.environ["TMPDIR"] = "/dev/shm"  # of this machine alone, and gone with it
    boot = folder / f"{name}.boot"
    boot.write_text(f"{uuid.uuid4()}\n")
    for command in (
        "ip link set lo up",
        "mount -t tmpfs memory /dev/shm",
        f"mount --bind {folder}/hosts /etc/hosts",
        f"mount --bind {boot} /proc/sys/kernel/random/boot_id",
    ):
        subprocess.run(command.split(), check=True)
    server = listen(folder / name)
    print("up", flush=True)
    serve(server)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

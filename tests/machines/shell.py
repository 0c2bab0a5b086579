"""What ssh and sshd are on a real cluster: commands for another machine. Needs Python alone.

A machine listens on a socket in a folder that all machines see. As a program it is the client, and
Open MPI takes it for an ssh: ``python shell.py FOLDER MACHINE COMMAND…``.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

MOST_BYTES: Final = 100_000
LOST: Final = 255
"""The exit code of ssh when the other machine is gone."""


def listen(path: Path) -> socket.socket:
    """Return a socket on which commands come in."""
    path.unlink(missing_ok=True)  # of a machine of this name that died
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(os.fspath(path))
    server.listen()
    return server


def serve(server: socket.socket) -> NoReturn:
    """Run what comes in, each command in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries orphans and handlers
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(connection)
            os._exit(0)
        connection.close()


def _run(connection: socket.socket) -> None:
    message, streams, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
    folder, command = message.decode().split("\0")
    done = subprocess.run(
        ["sh", "-c", command],
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        cwd=folder,
        start_new_session=True,
    )
    code = done.returncode
    with contextlib.suppress(ConnectionError):  # who asked is gone
        connection.send(str(code if code >= 0 else 128 - code).encode())


def ask(path: Path, command: str) -> int:
    """Run a command on a machine, in this folder, with our streams; return its exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(os.fspath(path))
            socket.send_fds(connection, [f"{os.getcwd()}\0{command}".encode()], [0, 1, 2])
            return int(connection.recv(MOST_BYTES) or LOST)
        except (ConnectionError, FileNotFoundError):
            return LOST


if __name__ == "__main__":
    sys.exit(ask(Path(sys.argv[1], sys.argv[2]), " ".join(sys.argv[3:])))

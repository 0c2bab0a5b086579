"""What a person reads: text on a stream, and numbers in words.

All that is printed passes `write`. A text that cannot be printed stops nothing: the exit code says
what happened.
"""

import os
import select
import shlex
import sys
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from typing import Final, TextIO

SECONDS_FOR_A_READER: Final = 2.0
"""How long a stream that does not block may be full before a text is dropped."""

TIME: Final = "%Y-%m-%d %H:%M:%S UTC"
"""How times are written."""


def open_streams() -> None:
    """Put the null device in the place of standard streams that are closed.

    Else the next file that is opened, such as a checkpoint, would be the standard output of MPI.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(descriptor, True)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", closefd=False))  # noqa: SIM115 (till the end)
        elif isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="replace")  # the world has terminals without μ


def flush_streams() -> None:
    """Flush what plug-ins and libraries printed; drop it if that fails.

    Python would try again at its exit, and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write(text: str, stream: TextIO | None = None, wipe: int = 0) -> OSError | None:
    """Write on standard output, or another stream, if that can be done; return why it could not.

    Parameters
    ----------
    text
        What `visible` makes of it is written.
    stream
        Standard output if None.
    wipe
        Columns of a live line to wipe before.
    """
    stream = stream or sys.stdout
    shown = ("\r" + " " * wipe + "\r" if wipe else "") + visible(text)
    try:
        stream.flush()
        if (descriptor := _descriptor(stream)) is None:
            stream.write(shown)
            stream.flush()
        else:
            # Past the buffer of the stream: what fails does not stay there until the exit.
            _write_all(descriptor, shown.encode(stream.encoding, "replace"))
    except OSError as error:
        return error
    except ValueError:  # it was closed
        pass
    return None


def warn(lines: Iterable[str]) -> None:
    """Write what is wrong but stops nothing on standard error."""
    write("".join(f"hpcepm: warning: {line}\n" for line in lines), sys.stderr)


def report_fault(error: BaseException, where: str = "") -> None:
    """Write a fault of the program itself on standard error, with all that may help.

    A lack of memory is none.
    """
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):
        remedy = "take a smaller lattice or more nodes, or raise the limit (ulimit -v)"
        write(
            f"hpcepm: {where}not enough memory: {str(error) or 'for more'}; {remedy}\n", sys.stderr
        )
        return
    lines = traceback.format_exception(error)
    said = f"\nhpcepm: {where}an error that should not happen; please report it\n"
    write(said + "".join(lines), sys.stderr)


def visible(text: str) -> str:
    """Return a text without characters that control a terminal: they are shown as in Python.

    Names of files, and what is in them, are written by others.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def quoted(word: str) -> str:
    """Return a word as the shell reads it; what cannot be printed by its bytes, in bash's way."""
    if word.isprintable():
        return shlex.quote(word)
    shown = (
        c if c.isprintable() and c not in "\\'" else "".join(f"\\{b:03o}" for b in os.fsencode(c))
        for c in word
    )
    return f"$'{''.join(shown)}'"


def _descriptor(stream: TextIO) -> int | None:
    """Return the file that a stream writes to; None if it is none, as in a notebook."""
    with suppress(OSError, ValueError):
        return stream.fileno() if isinstance(stream, TextIOWrapper) else None
    return None


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            if not select.select([], [descriptor], [], SECONDS_FOR_A_READER)[1]:
                return


def utc() -> str:
    """Return the time."""
    return time.strftime(TIME, time.gmtime())


def bar(fraction: float, width: int = 20) -> str:
    """Return a bar that is filled to a fraction."""
    full = round(width * min(max(fraction, 0.0), 1.0))
    return f"[{'█' * full}{'░' * (width - full)}] {100 * min(fraction, 1.0):3.0f}%"


def count(number: float) -> str:
    """Return a count of four characters or so: 950, 12.3k, 4.56M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{_short(number / size)}{letter}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Return a time a person can read."""
    if seconds == float("inf"):
        return "unknown time"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {seconds % 60:.0f} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def memory(n_bytes: float) -> str:
    """Return an amount of memory a person can read."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n_bytes >= size:
            return f"{_short(n_bytes / size)} {unit}"
    return f"{n_bytes:.0f} B"


def _short(number: float) -> str:
    """Return a number of three digits, or four before the point."""
    return f"{number:.3g}" if number < 999.5 else f"{number:.0f}"


def shorten(text: str, width: int = 40) -> str:
    """Return a text of one printable line of at most ``width`` characters."""
    clean = "".join(c if c.isprintable() else "�" for c in text)
    return clean if len(clean) <= width else clean[: width - 1] + "…"

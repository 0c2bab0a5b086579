"""What a person reads: text on a stream, and numbers in words."""

import os
import sys
from typing import TextIO


def write(text: str, stream: TextIO | None = None) -> bool:
    """Write on standard output, or another stream; return whether somebody still reads it.

    A reader that is gone, as after ``| head``, is no reason to stop.
    """
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        if stream is sys.stdout:  # else Python complains of it again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def bar(fraction: float, width: int = 20) -> str:
    """Return a bar that is filled to a fraction."""
    full = round(width * min(max(fraction, 0.0), 1.0))
    return f"[{'█' * full}{'░' * (width - full)}] {100 * min(fraction, 1.0):3.0f}%"


def count(number: float) -> str:
    """Return a count of four characters or so: 950, 12.3k, 4.56M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
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
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} B"

"""Numbers in words that a person reads: counts, times, memory, a bar of progress."""


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

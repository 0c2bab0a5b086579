"""How high the strips are that rows are dealt out in."""


def strip_height(shape: tuple[int, int]) -> int:
    """Return how many rows a strip has: as many as a block of the lazy engine. Measured (docs)."""
    n = (shape[0] * shape[1]) ** 0.5
    return 4 if n < 384 else 8 if n < 1536 else 16

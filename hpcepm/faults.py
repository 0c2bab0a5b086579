"""What is told to a user as it is, and to a shell. It is known before anything large is loaded."""

from typing import Final

REACHED: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
DIRECTORY_TAKEN: Final = 3
STOPPED: Final = 75
INTERRUPTED: Final = 130
"""Of a command that only looks, by Ctrl-C: as the shell says it."""


class NoRun(Exception):
    """There is no run that could be looked at; the message says where, and why not."""

"""Stopping a run from outside without losing anything: a signal is noted at once and heeded when the run pauses."""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Notes that this process was asked to stop, by Ctrl-C (SIGINT), SIGTERM or SIGUSR1; a second signal ends it at once.

    Attributes
    ----------
    name
        The signal that came, if one did.
    """

    def __init__(self) -> None:
        self.name: str | None = None

    def listen(self) -> "StopRequest":
        """Note signals from now on, for the rest of the process."""
        for number in SIGNALS:
            signal.signal(number, self._note)
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

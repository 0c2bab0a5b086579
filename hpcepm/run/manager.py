"""What rank 0 sees and decides for all: results of groups, clocks, files that steer a run."""

import time
from typing import Final

from hpcepm.input.schema import Input
from hpcepm.storage.store import Store

from .groups import Groups, Order, Result, Task
from .stopping import Deadline, Files

SECONDS_BETWEEN_FILES: Final = 0.25
SECONDS_A_SAVE: Final = 5.0


class Manager:
    """Decides what groups do. On rank 0.

    Parameters
    ----------
    groups
        The ranks.
    store
        Where rows go.
    settings
        The input.
    files
        By which a user speaks to the run; None if it is kept in memory.
    deadline
        When it must have ended; None for no limit.
    queue
        The realizations to shear, ascending.

    Attributes
    ----------
    problem
        Why the run cannot go on, if so.
    asked_by, urgency
        Who wants it to stop, if anyone, and how often that was asked.
    """

    def __init__(
        self,
        groups: Groups,
        store: Store,
        settings: Input,
        files: Files | None,
        deadline: Deadline | None,
        queue: list[int],
    ) -> None:
        self.groups, self.store, self.queue = groups, store, queue
        self._settings, self._files, self.deadline = settings, files, deadline
        self.problem: str | None = None
        self.asked_by: str | None = None
        self.urgency = 0
        self.saved = self.checkpointed = time.monotonic()
        self._look_at_files_from = 0.0

    def next_task(self, urgency: int, signal: str | None, seconds_to_stop: float) -> Task | None:
        """Return what the group of rank 0 does next; None for nothing yet. See `decide`."""
        if self.queue:  # whether to stop is asked when it pauses: each part of a run gets on
            realization = self.queue.pop(0)
            self.groups.hand_out(self.queue)
            return Task(Order.SHEAR, realization)
        if not self.groups.all_idle:
            order = self.decide(urgency, signal, seconds_to_stop)
            return None if order is Order.CONTINUE else Task(order)
        self.groups.order_all(Order.END)
        return Task(Order.END)

    def decide(self, urgency: int, signal: str | None, seconds_to_stop: float) -> Order:
        """Return what all groups do now, `SAVE` being for that of rank 0 alone.

        Parameters
        ----------
        urgency, signal
            Of the signals that reached this group.
        seconds_to_stop
            How long stopping will take.
        """
        self._note(urgency, signal)
        for result in self.groups.collect():
            self.collect(result)
        order = self._order(time.monotonic(), seconds_to_stop)
        if order >= Order.CHECKPOINT:
            self.groups.order_all(order)
        elif self.groups.leaders[1:]:
            self.groups.hand_out(self.queue)
        return order

    def collect(self, result: Result) -> None:
        """Take in what another group reports."""
        if result.rows is not None:
            self.store.add(result.realization, result.rows, finished=True)
        if result.signal is not None:
            self._note(*result.signal)
        self.problem = self.problem or result.problem

    def _note(self, urgency: int, signal: str | None) -> None:
        if urgency > self.urgency:
            self.urgency, self.asked_by = urgency, signal

    def _order(self, now: float, seconds_to_stop: float) -> Order:
        if self.problem is not None or self.urgency > 1:
            return Order.CANCEL
        if self.asked_by is None and self.deadline is not None:
            self.asked_by = self.deadline.reached(seconds_to_stop)
        if self._files is not None and now >= self._look_at_files_from:
            self._look_at_files_from = now + SECONDS_BETWEEN_FILES
            if self._files.asked(self._files.stop):
                self.asked_by = f"the file {self._files.stop.name}"
            elif self._files.take(self._files.checkpoint):
                return Order.CHECKPOINT
        if self.asked_by is not None:
            return Order.STOP
        if self._files is not None and now - self.checkpointed >= self._settings.checkpoint.every:
            return Order.CHECKPOINT
        if self._files is not None and now - self.saved >= SECONDS_A_SAVE:
            return Order.SAVE
        return Order.CONTINUE

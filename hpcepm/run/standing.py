"""How far a run has come, in numbers and in words."""

from typing import NamedTuple

from hpcepm.text import count, duration


class Standing(NamedTuple):
    """How far a run has come."""

    fraction: float  # of the way
    rate: float  # events a second, or realizations; without the time that compiling took
    seconds_left: float  # infinite if nothing is known
    strain: float | None = None
    target: float | None = None  # the strain to reach, if the load goes there straight
    stress: float | None = None
    events: int | None = None
    steps: int | None = None
    done: int = 0  # realizations
    realizations: int = 1
    unit: str = "realizations"  # or points, of a sweep
    at_work: int = 0  # of these
    time: float | None = None  # of the glass, if it has a clock

    @property
    def words(self) -> list[str]:
        """Say it, the most important first."""
        left = f"{duration(self.seconds_left)} left"
        if self.strain is None or self.stress is None:
            done = f"{self.done}/{self.realizations} {self.unit}"
            told = count(self.rate) if self.rate >= 1 else f"{self.rate:.2g}"
            return [left, done, f"{self.at_work} at work" if self.at_work else f"{told}/s"]
        way = f", {self.fraction:.1%} of the way"
        of = way if self.target is None else f"/{self.target:g}"
        when = "" if self.time is None else f"time {self.time:.4g}, "
        return [
            left,
            f"{when}strain {self.strain:.4f}{of}",
            f"stress {self.stress:.4f}",
            f"{count(self.rate)} events/s",
            f"{count(self.events or 0)} events",
            f"{count(self.steps or 0)} steps",
        ]


ORDER = 1, 2, 4, 3, 5, 0
"""In which order words are shown: the time left at the end."""


def fitted(words: list[str], room: float = float("inf")) -> str:
    """Return words of `Standing` in a line of at most so many characters, the least ones left out.

    The first is always there.
    """
    for n in range(len(words), 0, -1):
        line = "  ".join(words[k] for k in ORDER if k < n)
        if len(line) <= room:
            break
    return line


def took(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def seconds_left(done: float, to_do: float, seconds: float) -> float:
    """Return how long it will take if it goes on as it went; infinite if nothing was done."""
    return to_do * seconds / done if done > 0 else float("inf")


def of_realizations(begun_with: int, done: int, of: int, seconds: float) -> Standing:
    """Return how far realizations have come, of which some were done before."""
    n = done - begun_with
    return Standing(
        done / of, n / seconds, seconds_left(n, of - done, seconds), done=done, realizations=of
    )

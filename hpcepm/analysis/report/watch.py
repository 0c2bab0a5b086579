"""A report, once, or again and again as long as a run is at work."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hpcepm.analysis.missing import run_file_of
from hpcepm.analysis.places import beside, is_packed, refuse_own
from hpcepm.analysis.results import version_of
from hpcepm.faults import NoRun

from .content import RUNNING, STOPPED, content_of
from .maps import Cache
from .page import page, write_page

LOCK: Final = "run.lock"
"""Who is at work in a directory touches this file every few seconds."""

PATIENCE: Final = 30.0
"""Seconds without a touch after which nobody is at work; and so long one is waited for."""


class Pulse:
    """Whether somebody is at work in a directory.

    Clocks of two machines are not compared, but at the first look: then it is by the age of the
    lock, unless one has the time to see it touched.

    Parameters
    ----------
    directory
        Of the run.
    watching
        Whether there will be other looks.

    Attributes
    ----------
    was_there
        Whether there was a lock at any look.
    """

    def __init__(self, directory: Path, watching: bool) -> None:
        self._lock = directory / LOCK
        self._touched = self._touch()
        self.was_there = self._touched is not None
        age = 0.0 if watching or self._touched is None else time.time() - self._touched / 1e9
        self._since = time.monotonic() - abs(age)

    def beats(self) -> bool:
        """Return whether the lock is there, and was touched in the last `PATIENCE` seconds."""
        if (touched := self._touch()) != self._touched:
            self._touched, self._since = touched, time.monotonic()
            self.was_there |= touched is not None
        return touched is not None and time.monotonic() - self._since < PATIENCE

    def _touch(self) -> int | None:
        found = version_of(self._lock)
        return None if found is None else found[1]


def report(directory: str, out: str | None) -> Path:
    """Write the report of a run; return its path.

    Raises
    ------
    NoRun
        There is no run that could be shown, or ``out`` is no name of a page.
    OSError
        The file cannot be written.
    """
    run_file, path = _places(directory, out)
    at_work = not is_packed(run_file) and Pulse(run_file.parent, watching=False).beats()
    return write_page(path, page(content_of(directory, at_work, {}), None))


def watch(directory: str, out: str | None, seconds: float, say: Callable[[str], None]) -> Path:
    """Write the report of a run again whenever it has saved, until it has ended; return its path.

    Raises
    ------
    NoRun
        The run is damaged, or it has ended before it had two records; or ``out`` is no name of a
        page.
    OSError
        The file cannot be written.
    """
    run_file, path = _places(directory, out)
    if is_packed(run_file):
        return report(directory, out)  # it does not go on
    folder = run_file.parent
    cache: Cache = {}
    pulse, begun, shown, told = Pulse(folder, watching=True), time.monotonic(), None, ""
    while True:
        seen = pulse.beats(), version_of(run_file)
        at_work, version = seen
        early = not pulse.was_there and time.monotonic() - begun < PATIENCE
        now = f"{path}: written anew until the run has ended (Ctrl-C ends this)"
        if version is None:
            now = f"waiting for a run in {folder} (Ctrl-C ends this)"
        elif seen != shown:
            try:
                content = content_of(directory, at_work, cache)
            except NoRun as error:
                if not (at_work or early):
                    raise
                now = str(error)
            else:
                if content["state"] == STOPPED and early:
                    now = f"nobody is at work in {folder} yet; waiting {PATIENCE:g} s"
                else:
                    going_on = content["state"] == RUNNING
                    write_page(path, page(content, seconds if going_on else None))
                    if not going_on:
                        return path
                    shown = seen
        if now != told:
            say(now)
            told = now
        time.sleep(seconds)


def _places(directory: str, out: str | None) -> tuple[Path, Path]:
    """Return the file of a run, and where its report goes."""
    run_file = run_file_of(directory)
    path = Path(out) if out else beside(run_file, "report.html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise NoRun(f"{path}: a report ends in .html")
    refuse_own(path, run_file)
    return run_file, path

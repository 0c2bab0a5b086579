"""What the studies share: runs that are made if they are missing, and tables of what was found."""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import h5py
import yaml

from hpcepm.cli import main as command
from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.text import bar, duration

DOCS: Final = Path(__file__).parents[2] / "docs"
PLAN = TypeVar("PLAN")
RESULTS = TypeVar("RESULTS")
TABLES: Final = re.compile(r"(<!-- tables: .*-->\n).*(<!-- end of tables -->\n)", re.DOTALL)


@dataclass(frozen=True)
class Run:
    """An input, several realizations of it, and the directory that the results are kept in."""

    path: Path
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.path.name

    @property
    def file(self) -> Path:
        """What the run wrote."""
        return self.path / "run.h5"

    @property
    def size(self) -> int:
        """N."""
        return int(self.settings["lattice"]["shape"][0])

    @property
    def realizations(self) -> int:
        """How many there are to be."""
        return int(self.settings["realizations"])

    def is_done(self) -> bool:
        """Return whether the directory holds this run, with as many realizations or more."""
        try:
            with h5py.File(self.file, "r") as file:
                there = yaml.safe_load(file.attrs["input"])
                enough = file.attrs["finished"] and there["realizations"] >= self.realizations
        except (OSError, KeyError):
            return False
        return bool(enough and {**there, "realizations": self.realizations} == self.settings)


def run_of(path: Path, kernel: str, size: int, realizations: int, glass: dict[str, Any]) -> Run:
    """Return a run on a square lattice."""
    lattice = {"lattice": {"shape": [size, size]}, "kernel": {"type": kernel}}
    return Run(path, {**lattice, "realizations": realizations, **glass})


def make(runs: Sequence[Run], ranks: int = 1, here: bool = False) -> None:
    """Make the runs that are missing, one after the other, with a bar for all of them.

    If one fails, its exit code ends the program. What was done stays, and the next call goes on.
    ``here`` means in this process, which saves the starts of many short runs.
    """
    began, live = time.monotonic(), sys.stdout.isatty()
    missing = [run for run in runs if not run.is_done()]
    for k, run in enumerate(missing):
        left = (time.monotonic() - began) * (len(missing) / k - 1) if k else inf
        told = f"{bar(k / len(missing))} {k}/{len(missing)} runs, {duration(left)} left: {run.name}"
        print(f"\r\033[K{told}" if live else told, end="" if live else "\n", flush=True)
        source = run.path.with_name(f"{run.name}.yaml")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(yaml.safe_dump(run.settings, sort_keys=False))
        asked = [str(source), "--output", str(run.path), "--continue", "--quiet"]
        program = [sys.executable, "-m", "hpcepm", *asked]
        start = mpiexec(ranks) if ranks > 1 else []
        try:
            code = command(asked) if here else subprocess.run([*start, *program]).returncode
        except KeyboardInterrupt:
            sys.exit(130)
        if code:
            told = f"{run.name} ended with exit code {code} (above); the same command goes on"
            print(told, file=sys.stderr)
            sys.exit(code)
    if live and missing:
        print("\r\033[K", end="")
    print(f"{len(missing)} of {len(runs)} runs made, in {duration(time.monotonic() - began)}")


def options_of(tool: str, purpose: str | None, runs: str) -> argparse.ArgumentParser:
    """Return a parser of the options that studies share."""
    parser = argparse.ArgumentParser(prog=tool, description=purpose)
    where = "where runs are kept (default: %(default)s)"
    parser.add_argument("--runs", default=runs, type=Path, help=where)
    parser.add_argument("--docs", action="store_true", help="put the results into docs/, too")
    return parser


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)


def publish(text: str, page: str, options: argparse.Namespace) -> None:
    """Print results, and write them beside the runs; with ``--docs`` into a page of ``docs/``."""
    print(text)
    (options.runs / page).write_text(text)
    if options.docs:
        old = (DOCS / page).read_text()
        new = TABLES.sub(lambda marks: f"{marks[1]}\n{text}\n{marks[2]}", old)
        (DOCS / page).write_text(new)


@dataclass(frozen=True)
class Study(Generic[PLAN, RESULTS]):
    """A study of many short runs: its tool, where runs and results go, and what makes them."""

    tool: str
    purpose: str | None
    runs: str
    page: str
    plan: PLAN
    quick: PLAN
    all_runs: Callable[[Path, PLAN], Iterable[Run]]
    read: Callable[[Path, PLAN], RESULTS]
    tables: Callable[[RESULTS], dict[str, str]]
    draw: Callable[[RESULTS, Path], None]

    def main(self, arguments: list[str] | None = None) -> RESULTS:
        """Run what is missing, write tables and a figure, and return what was found."""
        parser = options_of(self.tool, self.purpose, self.runs)
        quick = "a few small runs, to see that all of it works; kept apart, never put into docs/"
        parser.add_argument("--quick", action="store_true", help=quick)
        options = parser.parse_args(arguments)
        if options.quick and options.docs:
            parser.error("--quick is nothing for docs/")
        plan = self.quick if options.quick else self.plan
        options.runs = Path(options.runs, "quick") if options.quick else options.runs
        make(list(self.all_runs(options.runs, plan)), here=True)
        results = self.read(options.runs, plan)
        tables = self.tables(results).items()
        told = "\n".join(f"**{title}**\n\n{text}" for title, text in tables)
        publish(told, self.page, options)
        for folder in (options.runs, DOCS)[: 1 + options.docs]:
            self.draw(results, folder / self.page.replace(".md", ".png"))
        return results

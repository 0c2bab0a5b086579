"""Whether `hpcepm check` says what a run takes: the table of docs/check.md.

``python -m tools.verify_check [N …] [--ranks P …] [--times n]``

Each run is measured from outside: wall time; the most memory that a node has of it, looked at ten
times a second (each rank's own pages, what the ranks share, and once the files that they map); and
the bytes of its directory. Ratios are what was said over what it took. Times of a shared machine
are noisy: the ratio is that of the median of what was said to the shortest run, which was disturbed
least, and all are told from the smallest to the largest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from hpcepm.parallel.mpiexec import mpiexec
from tools.studies.harness import table

ROOT: Final = Path(__file__).parents[1]
INPUT: Final = ROOT / "inputs" / "shear_band_1024.yaml"
SECONDS_BETWEEN_LOOKS: Final = 0.1


class Took(NamedTuple):
    """What a run took, or what was said of it: seconds, bytes of memory, bytes on the disk."""

    seconds: float
    memory: float
    disk: float


def said(n: int, ranks: int) -> Took:
    """Return what check says."""
    command = [sys.executable, "-m", "hpcepm", "check", str(INPUT), "-n", str(ranks), "--json"]
    done = subprocess.run([*command, *_lattice(n)], stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    memory, disk = (sum(told[name].values()) for name in ("memory", "disk"))
    return Took(told["seconds"]["value"], memory, disk)


def measured(n: int, ranks: int) -> Took:
    """Return what a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hpcepm", str(INPUT), *_lattice(n), "--output", folder]
        start = mpiexec(ranks) if ranks > 1 else []
        began, most = time.monotonic(), 0.0
        with subprocess.Popen([*start, *command, "--quiet"], start_new_session=True) as run:
            while run.poll() is None:
                most = max(most, memory_of_session(run.pid))
                time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.monotonic() - began
        if run.returncode:
            raise SystemExit(f"the run failed with exit code {run.returncode}")
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return Took(seconds, most, sum(path.stat().st_size for path in files))


def _lattice(n: int) -> list[str]:
    return ["--set", f"lattice.shape=[{n}, {n}]"]


def memory_of_session(session: int) -> float:
    """Return the bytes of all Python processes of a session."""
    own = files = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(process.name)) == session and "python" in os.readlink(process / "exe"):
                sizes = _sizes(process / "smaps_rollup")
                own += sizes["Pss_Anon"] + sizes["Pss_Shmem"]
                files = max(files, _sizes(process / "status")["RssFile"])
    return own + files


def _sizes(path: Path) -> dict[str, float]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0].rstrip(":"): 1024.0 * int(line[1]) for line in lines if line[-1:] == ["kB"]}


def row(n: int, ranks: int, times: int) -> list[Any]:
    """Return a row of the table."""
    pairs = [(said(n, ranks), measured(n, ranks)) for _ in range(times)]
    said_of, took = (list(zip(*side, strict=True)) for side in zip(*pairs, strict=True))
    ratio = statistics.median(said_of[0]) / min(took[0])
    cells = [n, ranks, *(f"{min(one[0]):.1f} to {max(one[0]):.1f}" for one in (took, said_of))]
    for k in (1, 2):
        ratios = [a / b for a, b in zip(said_of[k], took[k], strict=True)]
        size = statistics.median(took[k]) / 2**20
        cells += [f"{size:.3g}", f"{statistics.median(ratios):.3f}"]
    return [*cells[:4], f"{ratio:.2f}", *cells[4:]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure what hpcepm check predicts.")
    parser.add_argument("sizes", nargs="*", type=int, default=[64, 256, 1024])
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    heads = ["N", "ranks", "took, s", "said, s", "said / took"]
    heads += ["memory, MiB", "said / took", "disk, MiB", "said / took"]
    rows = [row(n, p, options.times) for n in options.sizes for p in options.ranks]
    print(table(heads, rows))


if __name__ == "__main__":
    main()

"""Speed of the engines for a list of lattices and ranks, as a table and as JSON. Started by ``tools/bench``.

Each lattice is measured in steady flow (strain 0.1 of a glass that is rejuvenated from the start), or, where that is out of
reach, at the strain that the table says. States are made once and kept in a folder.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COLUMNS = {
    "N": ("N", "5d"),
    "ranks": ("ranks", "5d"),
    "strain": ("strain", "6.3f"),
    "lazy_us_per_event": ("lazy µs/event", "13.2f"),
    "lazy_us_per_step": ("µs/step", "8.1f"),
    "direct_us_per_event": ("direct µs/event", "15.2f"),
    "direct_to_lazy": ("direct/lazy", "11.2f"),
    "plain_us_per_step": ("plain µs/step", "13.0f"),
    "plain_to_lazy": ("plain/lazy", "10.1f"),
    "spectral_to_pair": ("spectral/pair", "13.2f"),
    "speed_up": ("speed-up", "8.2f"),
    "exchange_us": ("exchange µs", "11.2f"),
    "bytes_per_site": ("B/site", "6.0f"),
}


def strain_for(n: int) -> float:
    """Return how far a lattice is sheared before it is measured: into flow if that takes minutes at most."""
    return 0.1 if n <= 512 else 0.06 if n <= 1024 else 0.02


def measured(n: int, ranks: int, states: Path) -> dict[str, Any]:
    """Return what ``bench_worker.py`` says of a lattice on so many ranks."""
    launcher = os.environ.get("MPIEXEC") or shutil.which("mpiexec.openmpi") or shutil.which("mpiexec") or "mpiexec"
    options = ["--allow-run-as-root"] if os.getuid() == 0 else []
    if (os.cpu_count() or 1) < ranks:
        options.append("--oversubscribe")
    command = [launcher, *options, "-n", str(ranks), sys.executable, str(HERE / "bench_worker.py")]
    done = subprocess.run(
        [*command, str(n), str(strain_for(n)), str(states / str(n))], stdout=subprocess.PIPE, check=True, text=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    cells = []
    for key, (title, form) in COLUMNS.items():
        text = format(row[key], form) if key in row else ""
        cells.append(text.rjust(max(len(title), int(form.split(".")[0].rstrip("d")))))
    return "  ".join(cells)


def scaling(results: list[dict[str, Any]]) -> list[str]:
    """Return how much faster each lattice is on several ranks than on one, and N² sites a rank than as many on one."""
    one = {row["N"]: row["lazy_us_per_event"] for row in results if row["ranks"] == 1}
    lines = []
    for row in results:
        if row["ranks"] > 1 and row["N"] in one:
            speed_up = one[row["N"]] / row["lazy_us_per_event"]
            lines.append(f"N = {row['N']} on {row['ranks']} ranks: {speed_up:.2f} times as fast as on one")
    return lines


def seconds_to_start() -> float:
    """Return the seconds from the command line to a finished run of a few steps, with a warm cache of compiled code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        path.write_text("lattice: {shape: [64, 64]}\nloading: {target: 0.001}\n")
        command = [sys.executable, "-m", "hpcepm", str(path), "--quiet", "--output"]
        times = []
        for k in range(4):
            began = time.perf_counter()
            subprocess.run([*command, str(Path(folder) / str(k))], check=True)
            times.append(time.perf_counter() - began)
    return min(times[1:])


def main() -> None:
    """Measure, print a table, and write the same as JSON."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--sizes", default="16,64,128,256,512,1024", help="lattices N × N (default: %(default)s)")
    parser.add_argument("--ranks", default="1,2", help="numbers of ranks (default: %(default)s)")
    parser.add_argument("--json", default="bench.json", help="where the numbers go (default: %(default)s)")
    parser.add_argument("--states", default="runs/bench", help="where sheared glasses are kept (default: %(default)s)")
    options = parser.parse_args()
    print("  ".join(title.rjust(int(form.split(".")[0].rstrip("d"))) for title, form in COLUMNS.values()), flush=True)
    results = []
    for n in map(int, options.sizes.split(",")):
        for ranks in map(int, options.ranks.split(",")):
            results.append(measured(n, ranks, Path(options.states)))
            print(line(results[-1]), flush=True)
    print(*scaling(results), sep="\n")
    start = seconds_to_start()
    print(f"start to finish of a run of a few steps: {start:.2f} s")
    Path(options.json).write_text(json.dumps({"results": results, "start_seconds": start}, indent=1) + "\n")


if __name__ == "__main__":
    main()

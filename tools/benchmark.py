"""Speed of the engines for a list of lattices and ranks, as a table and as JSON.

Started by ``tools/bench``.

Each lattice is measured in steady flow (strain 0.1 of a glass that is rejuvenated from the start),
or, where that is out of reach, at the strain that the table says. States are made once and kept in
a folder.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hpcepm.parallel.mpiexec import mpiexec

SIZES = "16,64,128,256,512,1024x512,1024,2048"
COLUMNS = {
    "lattice": ("lattice", "9s"),
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
COLUMNS_OF_CLOCKS = {
    "n": ("N", 5, "d"),
    "lazy_us": ("lazy", 7, ".2f"),
    "plain_us": ("redrawing", 9, ".0f"),
    "choosing_us": ("choosing", 8, ".0f"),
    "plain_to_lazy": ("redrawing/lazy", 14, ".1f"),
    "sites_looked_at": ("sites looked at", 15, ".2f"),
    "points_tried": ("points tried", 12, ".2f"),
    "points_ruled_out": ("by a bound", 10, ".2f"),
    "events_per_convolution": ("events/convolution", 18, ".0f"),
    "share_of_convolutions": ("convolving", 10, ".0%"),
    "events_per_site": ("events/site", 11, ".2f"),
}
WIDTHS = {key: int(form.split(".")[0].rstrip("ds")) for key, (_, form) in COLUMNS.items()}


def strain_for(n_sites: int) -> float:
    """Return how far a lattice is sheared before: into flow, if that takes minutes at most."""
    return 0.1 if n_sites <= 512**2 else 0.06 if n_sites <= 1024**2 else 0.02


def measured(nx: int, ny: int, ranks: int, states: Path) -> dict[str, Any]:
    """Return what ``bench_worker.py`` says of a lattice on so many ranks."""
    lattice = f"{nx}" if nx == ny else f"{nx}x{ny}"
    worker = [sys.executable, str(Path(__file__).with_name("bench_worker.py"))]
    arguments = [str(nx), str(ny), str(strain_for(nx * ny)), str(states / lattice)]
    command = [*mpiexec(ranks), *worker, *arguments]
    one_thread = {**os.environ, "MPI4PY_RC_THREADS": "0"}  # as in a run: MPI without its locks
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=one_thread)
    return {"lattice": lattice, **json.loads(done.stdout.splitlines()[-1])}


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    return "  ".join(
        (format(row[key], form) if key in row else "").rjust(WIDTHS[key])
        for key, (_, form) in COLUMNS.items()
    )


def scaling(results: list[dict[str, Any]]) -> list[str]:
    """Return strong scaling, of one lattice, and weak, of as many sites a rank, line by line."""
    lines = []
    for row in results:
        (nx, ny), ranks = row["shape"], row["ranks"]
        told = f"{row['lattice']:>9} on {ranks} ranks"
        if "speed_up" in row:
            lines.append(f"strong: {told}, {row['speed_up']:.2f} times as fast as on one")
        for one in results:
            if ranks > 1 and one["ranks"] == 1 and one["shape"] == [nx // ranks, ny]:
                slower = ranks * row["lazy_us_per_event"] / one["lazy_us_per_event"]
                as_one = f"{slower:.2f} times as long for the same strain as {one['lattice']}"
                lines.append(f"weak:   {told}, {as_one} on one")
    return lines


def draw(results: list[dict[str, Any]], path: str) -> None:
    """Draw what an event costs against the size of square lattices."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="N (lattice of N × N sites)", ylabel="time per event (µs)")
    square = [row for row in results if row["shape"][0] == row["shape"][1]]

    def curve(label: str, ranks: int, key: str, style: str, smallest: int = 1) -> None:
        rows = [row for row in square if row["ranks"] == ranks and key in row]
        points = [(row["shape"][0], row[key]) for row in rows if row["shape"][0] >= smallest]
        axes.loglog(*zip(*points, strict=True), style, label=label, base=2)

    for row in square:
        if "plain_to_lazy" in row:
            row["plain_us_per_event"] = row["plain_to_lazy"] * row["lazy_us_per_event"]
    curve("numpy and an FFT pair a step", 1, "plain_us_per_event", "s:")
    curve("direct", 1, "direct_us_per_event", "^--")
    curve("lazy", 1, "lazy_us_per_event", "o-", 64)
    curve("lazy, two ranks", 2, "lazy_us_per_event", "o-", 64)
    axes.set_yscale("log")
    axes.set_xticks([row["shape"][0] for row in square if row["ranks"] == 1], minor=False)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def seconds_to_start() -> float:
    """Return the seconds that a run of a few steps takes in all, once it is compiled."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        records = "output: {observables: {every: 0.001}}"
        path.write_text(f"lattice: {{shape: [64, 64]}}\nloading: {{target: 0.001}}\n{records}\n")
        command = [sys.executable, "-m", "hpcepm", str(path), "--quiet", "--output"]
        times = []
        for k in range(4):
            began = time.perf_counter()
            subprocess.run([*command, str(Path(folder) / str(k))], check=True)
            times.append(time.perf_counter() - began)
    return min(times[1:])


def told_by(worker: str, *arguments: str) -> dict[str, Any]:
    """Return what a program of this folder says, alone on a core."""
    command = [sys.executable, "-m", f"tools.{worker}", *arguments]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=here)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def protocols(sizes: list[int]) -> list[dict[str, Any]]:
    """Measure each protocol against strain control of one side, and print a table."""
    found = []
    for n in sizes:
        row = told_by("bench_protocols", str(n), str(strain_for(n * n)), "5")
        found.append(row)
        print(f"N = {n}, from strain {row['strain']:g} on: µs an event, and against the first")
        for name, us in list(row.items())[2:]:
            print(f"  {name:28s}{us:10.2f}{us / row['one side']:8.2f}", flush=True)
        ratio = row["plain"] / row["two sides"]
        print(f"  a plain FFT loop of two sides takes {ratio:.0f} times as long as lazy")
    return found


def clocks(sizes: list[int]) -> list[dict[str, Any]]:
    """Measure thermal creep against loops over all sites at each event, and print a table."""
    print("thermal, T = 0.05, α = 3/2, a stress of 0.3 held; µs an event, and what one consists of")
    print(*(title.rjust(width) for title, width, _ in COLUMNS_OF_CLOCKS.values()), flush=True)
    found = []
    for n in sizes:
        row = told_by("bench_clocks", str(n), "5")
        columns = COLUMNS_OF_CLOCKS.items()
        print(*(format(row[key], form).rjust(width) for key, (_, width, form) in columns))
        found.append(row)
    first, last = found[0], found[-1]
    if len(found) > 1:
        sites = np.log(last["n"] / first["n"])
        growth = np.log(last["lazy_us"] / first["lazy_us"]) / sites
        print(f"from N = {first['n']} to {last['n']} what an event costs grows like N^{growth:.2f}")
    return found


def main() -> None:
    """Measure, print a table, and write the same as JSON."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    add, default = parser.add_argument, "(default: %(default)s)"
    add("--sizes", help=f"lattices, N for N × N or NXxNY (default: {SIZES})")
    add("--ranks", default="1,2", help=f"numbers of ranks {default}")
    add("--figure", help="draw what an event costs against N, into this file")
    add("--json", default="bench.json", help=f"where the numbers go {default}")
    add("--states", default="runs/bench", help=f"where sheared glasses are kept {default}")
    add("--protocols", action="store_true", help="what events of each protocol cost, instead")
    add("--clocks", action="store_true", help="thermal creep against a plain loop, instead")
    options = parser.parse_args()
    for asked, measure, sizes in (
        (options.protocols, protocols, "256,512,1024"),
        (options.clocks, clocks, "128,256,512"),
    ):
        if asked:
            rows = measure([int(size) for size in (options.sizes or sizes).split(",")])
            Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
            return
    titles = (title.rjust(WIDTHS[key]) for key, (title, _) in COLUMNS.items())
    print("  ".join(titles), flush=True)
    results = []
    for size in (options.sizes or SIZES).split(","):
        nx, _, ny = size.partition("x")
        for ranks in map(int, options.ranks.split(",")):
            results.append(measured(int(nx), int(ny or nx), ranks, Path(options.states)))
            print(line(results[-1]), flush=True)
    print(*scaling(results), sep="\n")
    start = seconds_to_start()
    print(f"start to finish of a run of a few steps: {start:.2f} s")
    content = {"results": results, "start_seconds": start}
    Path(options.json).write_text(json.dumps(content, indent=1) + "\n")
    if options.figure:
        draw(results, options.figure)


if __name__ == "__main__":
    main()

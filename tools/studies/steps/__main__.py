"""Record steps of lattices in steady flow, replay them on many ranks, and say where the time goes.

    .venv/bin/python -m tools.studies.steps [--sizes 512,2048] [--steps 3000] [--docs]

Sheared glasses and recorded steps are kept in a folder for the next time.
"""

from itertools import product
from pathlib import Path
from typing import Final

from mpi4py import MPI

from hpcepm.model import cost
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.bench_worker import flowing

from ..harness import options_of, publish, table
from .record import record
from .replay import OWN, Machine, Replay
from .stream import Stream, enlarged

STRAIN: Final = 0.1
RANKS_OF_A_NODE: Final = 64
SMALL_CHUNK: Final = 256
MACHINES: Final = [
    Machine(1),
    Machine(2),
    Machine(2, 2),
    Machine(8),
    Machine(64),
    Machine(64, 4),
    Machine(64, 4, in_turn=True),
]
NETWORKS: Final = [(4, 1.5), (16, 0.5), (16, 1.5), (16, 5.0)]
"""Nodes, and µs for each doubling of them."""


def recorded(n: int, n_steps: int, folder: Path) -> Stream:
    """Return so many steps of N × N sites in steady flow, kept in a folder for the next time."""
    path = folder / f"{n}-{n_steps}.npz"
    if not path.exists():
        states = folder / f"{n}"
        states.mkdir(parents=True, exist_ok=True)
        alone = Ranks(launch.initialize().Split(MPI.COMM_WORLD.rank))
        record(flowing(Lattice((n, n), alone), STRAIN, states), n_steps).save(path)
    return Stream.load(path)


def what_steps_do(streams: list[Stream]) -> str:
    """Return a table of what steps have to do, and what the cost model takes it for."""
    rows = []
    for stream in streams:
        steps, n_steps, events = stream.steps, len(stream.steps), stream.n_events
        sweeps = [sweep for step in steps for sweep in step.sweeps]
        begins = sum(step.begins for step in steps)
        look_ups = sum(sweep.look_ups.sum(dtype=float) for sweep in sweeps) / events
        counts = (
            events / n_steps,
            n_steps / max(begins, 1),
            len(sweeps) / n_steps,
            (len(sweeps) + begins) / n_steps,
            sum(sweep.opened.size for sweep in sweeps) / events,
            sum(sweep.summed.size for sweep in sweeps) / events,
            look_ups / stream.events_between_convolutions,
        )
        rows.append([stream.shape[0], *(f"{count:.2f}" for count in counts)])
    of_step = ["events a step", "steps an avalanche", "sweeps a step", "exchanges a step"]
    of_event = ["blocks opened an event", "sites summed", "look-ups / L"]
    return table(["N", *of_step, *of_event], rows)


def where_time_goes(streams: list[Stream]) -> str:
    """Return a table of what an event takes on some machines, by part, in µs."""
    rows = []
    for stream, machine in product(streams, MACHINES):
        replay = Replay(stream, machine)
        us, (ranks, nodes) = replay.per_event(), machine[:2]
        own = sum(us.pop(part) for part in (*OWN, "draws"))
        model = sum(cost.event_us(stream.shape, "lazy", ranks, nodes).values())
        row = [own, *us.values(), own + sum(us.values()), replay.fair(), model]
        dealt = "in turn" if machine.in_turn else "in a row" if 1 < nodes < ranks else ""
        rows.append([stream.shape[0], ranks, nodes, dealt, *(f"{value:.2f}" for value in row)])
    head = ["N", "ranks", "nodes", "ranks of a node", "own work", *us]
    return table([*head, "all", "if evenly shared", "cost model"], rows)


def what_pays(stream: Stream) -> str:
    """Return a table of what an event takes on large machines that share work in several ways."""
    rows = []
    for factor, (nodes, network_us) in product((4, 8), NETWORKS):
        larger = enlarged(stream, factor)
        neighbours = Machine(nodes * RANKS_OF_A_NODE, nodes, network_us=network_us)
        in_turn = neighbours._replace(in_turn=True)
        small = in_turn._replace(chunk=SMALL_CHUNK)
        helped = [small._replace(helps=how) for how in ("collectively", "directly")]
        replays = [Replay(larger, machine) for machine in (neighbours, in_turn, small, *helped)]
        us = [sum(replay.per_event().values()) for replay in replays]
        values = (f"{value:.2f}" for value in (*us, replays[0].fair()))
        rows.append([larger.shape[0], nodes, network_us, *values])
    ways = ["ranks of a node in a row", "in turn", f"chunks of {SMALL_CHUNK}", "nodes help, all"]
    head = ["N", "nodes", "network, µs", *ways, "directly, at best", "if evenly shared"]
    return table(head, rows)


def main() -> None:
    """Do all of it."""
    parser = options_of("python -m tools.studies.steps", __doc__, "runs/steps")
    parser.add_argument("--sizes", default="512,1024,2048", help="N (default: %(default)s)")
    parser.add_argument("--steps", default=3000, type=int, help="of each (default: %(default)s)")
    options = parser.parse_args()
    sizes = map(int, options.sizes.split(","))
    streams = [recorded(n, options.steps, options.runs) for n in sizes]
    tables = [what_steps_do(streams), where_time_goes(streams), what_pays(streams[-1])]
    publish("\n".join(tables), "performance.md", options)


if __name__ == "__main__":
    main()

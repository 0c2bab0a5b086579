"""The report of `hpcepm check`: what a run will take, in words."""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

import yaml
from mpi4py import MPI

from hpcepm.input.problems import InputError
from hpcepm.input.read import ReadInput
from hpcepm.input.schema import Input
from hpcepm.parallel.processors import allowed_processors
from hpcepm.parallel.ranks import Ranks
from hpcepm.reading import bytes_of_this_machine
from hpcepm.text import count, duration, memory

from . import sharing
from .forecast import Forecast, Range
from .place import refusal
from .rehearsal import Rehearsal
from .resources import refuse_too_much
from .warnings import threshold_files, warnings_of


def fastest(settings: Input) -> int:
    """Return on how many ranks a run ends first, on the processors that are here."""
    return sharing.fastest_ranks(sharing.work_of(settings), len(allowed_processors()))


def report(read: ReadInput, found: Forecast) -> list[str]:
    """Return all that a user should know before a run, a line for each thing."""
    (nx, ny) = found.trials.shape
    n = read.settings.realizations
    of = f"{n} realizations of {nx} × {ny} sites" if n > 1 else f"{nx} × {ny} sites"
    return [
        f"{of}, on {_ranks(found)}",
        f"  engine     {found.engine.engine}: {found.engine.why}",
        *(f"  file       {file}" for file in threshold_files(read)),
        f"  events     {_events(read, found)}",
        f"  time       {_time(found)}",
        f"  memory     {_parts(found.memory)} a node",
        f"  disk       {_parts(found.disk)}",
        *(f"  warning    {line}" for line in all_warnings(read, found)),
        "",
        "# the input, every default filled in",
        resolved_yaml(read.settings),
    ]


def _ranks(found: Forecast) -> str:
    team = found.team
    nodes = f" of {team.nodes} nodes" if team.nodes > 1 else ""
    said = f"{team.ranks} rank{'s' if team.ranks > 1 else ''}{nodes}"
    if team.turns > 1 or team.groups > 1:
        said += f": {team.sharing} for each of {team.groups} at a time"
    return f"{said}; {team.idle} have nothing to do" if team.idle else said


def _events(read: ReadInput, found: Forecast) -> str:
    """Say how many events there will be, and how that is known."""
    trials, n = found.trials, read.settings.realizations
    each = " in each realization" if n > 1 else ""
    complete = [one for one in trials.rehearsals if one.complete]
    tried = ", ".join(
        f"{one.events / one.n_sites:.3g} a site at {_size(one)}" for one in complete[-3:]
    )
    if found.events is None:
        known = f" (of lattices that were sheared to the end: {tried})" if tried else ""
        return f"cannot be known before{known}; {_rate(found)}"
    if found.events.low == found.events.high:
        return f"{count(found.events.value)}{each}, counted: the run was rehearsed to its end"
    how = f"by lattices that were sheared to the end, {tried}" if tried else "by the mean slip"
    return f"{_between(found.events, count)}{each}: {how}"


def _size(one: Rehearsal) -> str:
    return f"{one.shape[0]} × {one.shape[1]}"


def _rate(found: Forecast) -> str:
    us = found.event_us
    if us is None:
        return "what one takes neither: none was seen when the run was rehearsed"
    between = f"{us.low:.2g} to {us.high:.2g}"
    return f"an event takes {us.value:.2g} µs ({between}): {count(1e6 / us.value)}/s"


def _time(found: Forecast) -> str:
    whole = found.whole
    if whole is None:
        others = sum(took.value for took in found.seconds.values())
        return f"as long as the events take; start and records {duration(others)}"
    parts = ", ".join(
        f"{name} {duration(took.value)}" for name, took in found.seconds.items() if took.value >= 1
    )
    here = len(allowed_processors())
    where = f"; with a core for each rank (here are {here})" if found.team.ranks > here else ""
    return f"{_between(whole, duration)}{where}: {parts}; {_rate(found)}"


def _between(number: Range, told: Any) -> str:
    return f"about {told(number.value)} ({told(number.low)} to {told(number.high)})"


def _parts(of: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} {memory(size)}" for name, size in of.items() if size)
    return f"{memory(sum(of.values()))}: {listed}"


def all_warnings(read: ReadInput, found: Forecast) -> list[str]:
    """Return what a user should think over: the input, and the number of ranks."""
    team, shape, said = found.team, found.trials.shape, warnings_of(read)
    engine, here = found.engine.engine, len(allowed_processors())
    clocked = found.trials.clocked
    said += sharing.warnings(team.sharing, team.idle, False, shape, engine, team.nodes, clocked)
    if team.nodes == 1 and team.ranks > here:
        said.append(f"-n {team.ranks}: here are {here} processors: the others would have none")
    needed = sum(found.memory.values())
    there = bytes_of_this_machine(ceil(team.ranks / team.nodes))
    if needed > there:
        said.append(
            f"lattice.shape: the run needs {memory(needed)} a node, and there is "
            f"{memory(there)}: take more nodes (--nodes), or a smaller lattice"
        )
    try:
        refuse_too_much(read.settings)
    except InputError as error:
        said += error.problems
    refused = refusal(read, Ranks(MPI.COMM_SELF))
    return [*said, *filter(None, [refused])]


def resolved_yaml(settings: Input) -> str:
    """Return an input with every default filled in, as YAML that can be run."""
    told = json.loads(settings.model_dump_json())
    return yaml.safe_dump(
        told, sort_keys=False, allow_unicode=True, default_flow_style=None
    ).rstrip()


def as_json(read: ReadInput, found: Forecast) -> str:
    """Return the numbers of a forecast, as JSON."""
    told = {
        "engine": found.engine.engine,
        "team": found.team._asdict(),
        "events": found.events and found.events._asdict(),
        "event_us": found.event_us and found.event_us._asdict(),
        "seconds": found.whole and found.whole._asdict(),
        "seconds_by_part": {name: took._asdict() for name, took in found.seconds.items()},
        "memory": found.memory,
        "disk": found.disk,
        "warnings": all_warnings(read, found),
    }
    return json.dumps(told, indent=1, ensure_ascii=False)

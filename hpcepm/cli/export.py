"""``hpcepm export``: a run in the formats of other programs."""

import argparse

from hpcepm.faults import REACHED

from .base import UsageError, needs_folder, say

DESCRIPTION = "Write a run for other programs; see docs/sharing.md."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from hpcepm.analysis.export.write import KINDS

    parser.add_argument("run", metavar="RUN", help="a run directory, or a packed run")
    for name, kind in KINDS.items():
        metavar = "DIR" if kind.is_folder else "F"
        parser.add_argument(f"--{name}", metavar=metavar, help=kind.what)
    add_choice(parser)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add what says what of a run is written, and how."""
    add = parser.add_argument
    said = (
        "groups to keep: profiles, fields, avalanches, cycles, events; observables are always kept"
    )
    add("--only", nargs="+", default=[], metavar="GROUP", help=said)
    add(
        "--strain",
        metavar="A:B",
        help="keep records, snapshots, avalanches and events between two strains",
    )
    add("--float32", action="store_true", help="round fields to 4 bytes a number")
    add("--gzip", action="store_true", help="compress (netCDF, Zarr and packed runs)")
    add(
        "--force",
        action="store_true",
        help="replace an earlier export of this kind, and nothing else",
    )


def write(options: argparse.Namespace, kind: str, path: str) -> None:
    """Write one format, and say so."""
    from hpcepm.analysis.export.source import Part
    from hpcepm.analysis.export.write import export

    needs_folder(path)
    part = Part(tuple(options.only), _strains(options.strain), options.float32)
    say("\n".join(export(options.run, kind, path, part, options.gzip, options.force)))


def _strains(text: str | None) -> tuple[float, float] | None:
    """Return the two strains of ``A:B``; one that is left out is infinite."""
    if text is None:
        return None
    low, colon, high = text.partition(":")
    try:
        found = float(low or "-inf"), float(high or "inf")
        if not colon or not found[0] <= found[1]:
            raise ValueError
    except ValueError:
        said = "write two strains, the lower one first, as in --strain 0.05:0.1"
        raise UsageError(f"hpcepm: --strain {text}: {said}") from None
    return found


def carry_out(options: argparse.Namespace) -> int:
    """Export; return the exit code."""
    from hpcepm.analysis.export.write import KINDS

    wanted = {kind: getattr(options, kind) for kind in KINDS if getattr(options, kind)}
    if not wanted:
        names = ", ".join(f"--{kind}" for kind in KINDS)
        raise UsageError(f"hpcepm export: name a format: {names}")
    for kind, path in wanted.items():
        write(options, kind, path)
    return REACHED

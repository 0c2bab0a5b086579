"""What a calibration leaves: a text, ``calibration.json``, ``calibrated.yaml`` and a picture."""

import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from hpcepm import __version__
from hpcepm.files import write_bytes
from hpcepm.input.named_files import split_name
from hpcepm.input.read import ReadInput
from hpcepm.input.strict_yaml import parse

from .calibrate import Result
from .target import Target, set_key

LARGE_MISFIT: Final = 2.0
REGION: Final = (
    "joint region: δᵀ covariance⁻¹ δ ≤ squared_radius, δ = keys − best where the surface is "
    "straight; outline: of the first two keys, the others at their best"
)


def text_of(target: Target, result: Result) -> str:
    """Return the result for a reader."""
    found, goal, confidence = result.found, target.goal, target.settings.confidence
    fit = found.fit
    lines = [f"fitted, with {confidence:.0%} intervals"]
    for k, half in enumerate(fit.half_widths(confidence)):
        stuck = "   at a bound of its range" if found.at_bound[k] else ""
        lines.append(f"  {target.keys[k]:<24}{fit.best[k]:>12.6g} ± {half:.2g}{stuck}")
    if len(target.keys) > 1:
        deviation = np.sqrt(np.diag(fit.covariance))
        correlation = fit.covariance[0, 1] / (deviation[0] * deviation[1])
        lines.append(f"  correlation of the first two: {correlation:+.2f}")
    lines.append(f"{'target':<26}{'wanted':>20}{'emulated':>12}{'simulated there':>24}")
    for k, name in enumerate(target.statistics.names):
        wanted = f"{goal.values[k]:.5g} ± {goal.errors[k]:.2g}"
        simulated = f"{result.simulated[k]:.5g} ± {result.simulated_error[k]:.2g}"
        lines.append(f"  {name:<24}{wanted:>20}{fit.emulated[k]:>12.5g}{simulated:>24}")
    if target.curves:
        said = ", ".join(f"{name}: {len(rows)} points" for name, rows in target.curves.items())
        lines.append(
            f"  curves ({said}), r.m.s. of (emulated − wanted)/error, of all targets: "
            f"{_misfit(target, result):.2f}"
        )
    lines.append(
        f"{result.runs} runs: {len(found.points)} points in {found.rounds} rounds and the optimum, "
        f"{target.settings.realizations} realizations each"
    )
    return "\n".join([*lines, *(f"note: {note}" for note in notes(target, result))])


def notes(target: Target, result: Result) -> list[str]:
    """Return what a user should beware of."""
    found = result.found
    wide = found.fit.half_widths(target.settings.confidence) > target.bounds.half
    keys = ", ".join(np.array(target.keys)[wide])
    said = {
        "the search ended before its box settled around the optimum; start there again, "
        "in a narrower range": not found.settled,
        "an optimum at a bound: the best keys may lie beyond it, and errors are only those "
        "along the other keys": found.at_bound.any(),
        f"the targets hardly tell {keys}: its interval is wider than its range": wide.any(),
        "even the best keys do not meet the target within its errors: the model cannot, "
        "or a range excludes it": _misfit(target, result) > LARGE_MISFIT,
    }
    return [note for note, holds in said.items() if holds]


def _misfit(target: Target, result: Result) -> float:
    fit = result.found.fit
    return float(np.sqrt(np.mean(((fit.emulated - target.goal.values) / fit.errors) ** 2)))


def as_json(target: Target, result: Result, seconds: float) -> dict[str, Any]:
    """Return the result for a program."""
    found, fit, emulator = result.found, result.found.fit, result.found.fit.emulator
    confidence, goal, statistics = target.settings.confidence, target.goal, target.statistics
    keys = _columns(best=fit.best, half_width=fit.half_widths(confidence), at_bound=found.at_bound)
    targets = _columns(
        name=np.array(goal.names, object),
        wanted=goal.values,
        error=goal.errors,
        emulated=fit.emulated,
        simulated=result.simulated,
        simulated_error=result.simulated_error,
    )
    curves = _columns(mean=result.curves, error=result.curve_errors)
    return {
        "hpcepm_version": __version__,
        "keys": dict(zip(target.keys, keys, strict=True)),
        "confidence": confidence,
        "covariance": fit.covariance.tolist(),
        "region": {
            "description": REGION,
            "squared_radius": fit.region(confidence),
            "outline": fit.outline(confidence).tolist() if len(target.keys) > 1 else [],
        },
        "targets": targets,
        "misfit": _misfit(target, result),
        "settled": found.settled,
        "notes": notes(target, result),
        "rounds": found.rounds,
        "runs": result.runs,
        "realizations": target.settings.realizations,
        "emulator": {
            "degree": emulator.degree,
            "from": emulator.box.low.tolist(),
            "to": emulator.box.high.tolist(),
            "model_error": np.sqrt(emulator.model_variance).tolist(),
        },
        "points": _columns(keys=found.points, observables=found.values.mean(axis=1)),
        "curves": {
            "strain": statistics.strains.tolist(),
            **dict(zip(statistics.observables, curves, strict=True)),
        },
        "seconds": round(seconds, 1),
        "target": target.settings.model_dump(by_alias=True),
    }


def _columns(**columns: Any) -> list[dict[str, Any]]:
    """Return the rows of a table of arrays, for `json`."""
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def calibrated_input(target: Target, result: Result) -> str:
    """Return the input with the fitted keys in it, as YAML that lies in the output folder."""
    content = parse(target.read.text.encode(), target.settings.input).content
    for key, best in zip(target.keys, result.found.fit.best.tolist(), strict=True):
        set_key(content, key, float(f"{best:.6g}"))
    content = _seen_from(target.settings.output, content, target.read)
    head = (
        f"# {target.settings.input}, calibrated by hpcepm {__version__}: "
        f"{', '.join(target.keys)}. Errors: calibration.json\n"
    )
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return head + str(text)


def _seen_from(folder: str, content: Any, read: ReadInput) -> Any:
    """Return a part of an input whose names of files begin in another folder."""
    if isinstance(content, dict):
        return {key: _seen_from(folder, value, read) for key, value in content.items()}
    if isinstance(content, list):
        return [_seen_from(folder, value, read) for value in content]
    if not (isinstance(content, str) and content in read.files):
        return content
    path, part = split_name(content, read.folder)
    name = os.path.relpath(path, folder)
    return f"{name}:{'/' * (':/' in content)}{part}" if part else name


def write_report(target: Target, result: Result, seconds: float) -> list[Path]:
    """Write all files into the output folder; return those a user will look at.

    Raises
    ------
    OSError
        They cannot be written.
    """
    folder = Path(target.settings.output)
    numbers, calibrated, picture = (
        folder / name for name in ("calibration.json", "calibrated.yaml", "calibration.png")
    )
    content = json.dumps(as_json(target, result, seconds), indent=1, ensure_ascii=False)
    written = [numbers, calibrated]
    write_bytes(calibrated, calibrated_input(target, result).encode())
    try:
        from .picture import draw
    except ImportError:  # matplotlib is an extra
        pass
    else:
        draw(target, result, picture)
        written.append(picture)
    write_bytes(numbers, f"{content}\n".encode())  # the last: where it is, all is there
    return written

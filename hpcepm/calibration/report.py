"""What a calibration leaves behind.

A text, ``calibration.json``, ``calibrated.yaml`` and a picture.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from hpcepm import __version__
from hpcepm.input.strict_yaml import parse

from .calibrate import Result
from .target import Target, settings_as_json

Floats = NDArray[np.float64]

LARGE_MISFIT = 2.0


def text_of(target: Target, result: Result) -> str:
    """Return the result for a reader."""
    found, confidence = result.found, target.settings.confidence
    lines = [f"fitted, with {confidence:.0%} intervals"]
    for key, best, half, stuck in zip(
        target.keys, found.fit.best, found.fit.half_widths(confidence), found.at_bound, strict=True
    ):
        lines.append(
            f"  {key:<24}{best:>12.6g} ± {half:.2g}{'   at a bound of its range' if stuck else ''}"
        )
    if len(target.keys) > 1:
        deviation = np.sqrt(np.diag(found.fit.covariance))
        correlation = found.fit.covariance[0, 1] / (deviation[0] * deviation[1])
        lines.append(f"  correlation of the first two: {correlation:+.2f}")
    lines.append(f"{'target':<26}{'wanted':>20}{'emulated':>12}{'simulated there':>24}")
    for k in _scalars(target):
        wanted = f"{target.goal.values[k]:.5g} ± {target.goal.errors[k]:.2g}"
        simulated = f"{result.simulated[k]:.5g} ± {result.simulated_error[k]:.2g}"
        lines.append(
            f"  {target.goal.names[k]:<24}{wanted:>20}{found.fit.emulated[k]:>12.5g}{simulated:>24}"
        )
    if target.curves:
        said = ", ".join(
            f"{name}: {len(target.statistics.curves[name])} points" for name in target.curves
        )
        lines.append(
            f"  curves ({said}), r.m.s. of (emulated − wanted)/error, of all targets: {_misfit(target, result):.2f}"
        )
    n = target.settings.realizations
    lines.append(
        f"{result.runs} runs: {len(found.points)} points in {found.rounds} rounds and the optimum, {n} realizations each"
    )
    lines += [f"note: {note}" for note in notes(target, result)]
    return "\n".join(lines)


def notes(target: Target, result: Result) -> list[str]:
    """Return what a user should beware of."""
    found = result.found
    wide = found.fit.half_widths(target.settings.confidence) > target.bounds.half
    said = []
    if not found.settled:
        said.append(
            "the search ended before its box settled around the optimum; start there again, in a narrower range"
        )
    if found.at_bound.any():
        said.append(
            "an optimum at a bound: the best keys may lie beyond it, and errors are only those along the other keys"
        )
    if wide.any():
        keys = ", ".join(np.array(target.keys)[wide])
        said.append(f"the targets hardly tell {keys}: its interval is wider than its range")
    if _misfit(target, result) > LARGE_MISFIT:
        said.append(
            "even the best keys do not meet the target within its errors: the model cannot, or a range excludes it"
        )
    return said


def _scalars(target: Target) -> range:
    return range(len(target.statistics.names))


def _misfit(target: Target, result: Result) -> float:
    fit = result.found.fit
    return float(np.sqrt(np.mean(((fit.emulated - target.goal.values) / fit.errors) ** 2)))


def as_json(target: Target, result: Result, seconds: float) -> dict[str, Any]:
    """Return the result for a program."""
    found, confidence = result.found, target.settings.confidence
    half = found.fit.half_widths(confidence)
    goal = target.goal
    return {
        "hpcepm_version": __version__,
        "keys": {
            key: {"best": best, "half_width": width, "at_bound": bool(stuck)}
            for key, best, width, stuck in zip(
                target.keys, found.fit.best.tolist(), half.tolist(), found.at_bound, strict=True
            )
        },
        "confidence": confidence,
        "covariance": found.fit.covariance.tolist(),
        "region": {
            "description": "joint region: δᵀ covariance⁻¹ δ ≤ squared_radius, δ = keys − best where the surface is straight; "
            "outline: of the first two keys, the others at their best",
            "squared_radius": found.fit.region(confidence),
            "outline": found.fit.outline(confidence).tolist() if len(target.keys) > 1 else [],
        },
        "targets": [
            {
                "name": name,
                "wanted": float(v),
                "error": float(e),
                "emulated": float(m),
                "simulated": float(s),
                "simulated_error": float(d),
            }
            for name, v, e, m, s, d in zip(
                goal.names,
                goal.values,
                goal.errors,
                found.fit.emulated,
                result.simulated,
                result.simulated_error,
                strict=True,
            )
        ],
        "misfit": _misfit(target, result),
        "settled": found.settled,
        "notes": notes(target, result),
        "rounds": found.rounds,
        "runs": result.runs,
        "realizations": target.settings.realizations,
        "emulator": {
            "degree": found.emulator.degree,
            "from": found.emulator.box.low.tolist(),
            "to": found.emulator.box.high.tolist(),
            "model_error": np.sqrt(found.emulator.model_variance).tolist(),
        },
        "points": [
            {"keys": point.tolist(), "observables": seen.tolist()}
            for point, seen in zip(found.points, found.values.mean(axis=1), strict=True)
        ],
        "curves": {
            "strain": target.statistics.strains.tolist(),
            **{
                name: {"mean": mean.tolist(), "error": error.tolist()}
                for name, mean, error in zip(
                    target.statistics.observables, result.curves, result.curve_errors, strict=True
                )
            },
        },
        "seconds": round(seconds, 1),
        "target": settings_as_json(target.settings),
    }


def calibrated_input(target: Target, result: Result) -> str:
    """Return the input with the fitted keys in it, as YAML that lies in the output folder."""
    content = parse(target.read.text.encode(), target.settings.input).content
    for key, best in zip(target.keys, result.found.fit.best.tolist(), strict=True):
        *sections, last = key.split(".")
        inside = content
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[last] = float(f"{best:.6g}")
    for thresholds in content.get("thresholds", {}).values():
        if (
            isinstance(thresholds, dict) and "file" in thresholds
        ):  # a file is looked for beside the input
            thresholds["file"] = os.path.relpath(
                os.path.join(target.read.folder, thresholds["file"]), target.settings.output
            )
    head = f"# {target.settings.input}, calibrated by hpcepm {__version__}: {', '.join(target.keys)}. Errors: calibration.json\n"
    return head + str(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    )


def write_report(target: Target, result: Result, seconds: float) -> list[Path]:
    """Write all files into the output folder; return those a user will look at.

    Raises
    ------
    OSError
        They cannot be written.
    """
    folder = Path(target.settings.output)
    made = [folder / "calibration.json", folder / "calibrated.yaml"]
    made[0].write_text(
        json.dumps(as_json(target, result, seconds), indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    made[1].write_text(calibrated_input(target, result), encoding="utf-8")
    try:
        from .picture import draw
    except ImportError:  # matplotlib is an extra
        return made
    draw(target, result, folder / "calibration.png")
    return [*made, folder / "calibration.png"]

"""How often a calibration finds the c0 and c1 that a synthetic target was made with.

Prints what the table of docs/calibration.md is made of. Started by ``tools/verify-calibration``.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from hpcepm.analysis.statistics import standard_error
from hpcepm.calibration.calibrate import calibrate
from hpcepm.calibration.ensemble import Ensemble
from hpcepm.calibration.statistics import Goal, Statistics
from hpcepm.calibration.target import Target, read_target, with_keys
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.stopping import StopRequest

TARGET = "inputs/calibrate/target.yaml"
SAMPLE = 400  # realizations of a synthetic target; its errors are those they show
LOW, HIGH = (0.018, 0.008), (0.034, 0.024)  # of the true c0 and c1
FIRST_SEED = 1000  # of the targets: never one of a calibration


def synthetic(
    ranks: Ranks, base: Target, truth: dict[str, float], trial: int, curve: bool
) -> Target:
    """Return a target as others would measure it, from glasses of their own.

    The calibration has a seed of its own, too.
    """
    statistics, strains = base.statistics, base.statistics.strains
    if curve:
        statistics = Statistics(strains, statistics.window, (), {"stress": strains[2::2]})
    theirs = with_keys(base.read.settings, truth).model_copy(update={"seed": FIRST_SEED + trial})
    sample = Ensemble(ranks, SAMPLE, strains, statistics.observables, StopRequest())
    curves = sample.curves([replace(base.read, settings=theirs)], lambda _: None)
    seen = statistics.pseudo_values(curves[0])
    together = np.full(seen.shape[1], curve)
    names = ["stress"] * together.size if curve else list(statistics.names)
    goal = Goal(names, seen.mean(axis=0), standard_error(seen), together, together.astype(int))
    ours = replace(base.read, settings=base.read.settings.model_copy(update={"seed": trial + 1}))
    return replace(base, read=ours, statistics=statistics, goal=goal)


def main() -> None:
    """Run the trials and print what was found."""
    parser = argparse.ArgumentParser(prog="tools/verify-calibration", description=__doc__)
    add = parser.add_argument
    add("--trials", type=int, default=20)
    add("--first", type=int, default=0, help="number of the first trial")
    add("--curve", action="store_true", help="fit whole curves, not plateau and peak")
    options = parser.parse_args()
    ranks = Ranks(launch.initialize())
    base = read_target(TARGET, [], None)
    held = []
    for trial in range(options.first, options.first + options.trials):
        truth = np.random.default_rng(trial).uniform(LOW, HIGH)
        keys = dict(zip(base.keys, truth.tolist(), strict=True))
        target = synthetic(ranks, base, keys, trial, options.curve)
        started = time.monotonic()
        result = calibrate(ranks, target, StopRequest())
        seconds = time.monotonic() - started
        if result is None:
            continue
        fit, confidence = result.found.fit, target.settings.confidence
        half = fit.half_widths(confidence)
        hits = [*(abs(fit.best - truth) <= half), fit.distance(truth) <= fit.region(confidence)]
        held.append([*hits, seconds])
        for k, key in enumerate(base.keys):
            told = f"{fit.best[k]:.4f} ± {half[k]:.4f}, true {truth[k]:.4f}"
            print(f"{key} {told} {'' if hits[k] else '(NOT within)'}", end="; ")
        rounds = f"{result.found.rounds} rounds{'' if result.found.settled else ', not settled'}"
        print(f"trial {trial}: {result.runs} runs in {rounds}, {seconds:.0f} s", flush=True)
    if ranks.is_root:
        table = np.array(held, float)
        c0, c1, region = table[:, :3].sum(axis=0).astype(int)
        n = len(table)
        print(f"within the stated interval: c0 {c0}/{n}, c1 {c1}/{n}", end="; ")
        print(f"both within the joint region {region}/{n}")
        print(f"seconds: median {np.median(table[:, 3]):.0f}, most {table[:, 3].max():.0f}")


if __name__ == "__main__":
    main()

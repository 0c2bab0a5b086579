"""Run what is missing, measure what clocks do, and write tables and a figure.

Started by ``tools/verify-time``.
"""

from ..harness import Study
from .figure import draw
from .results import read
from .runs import QUICK, Plan, all_runs
from .table import tables

STUDY = Study(
    "tools/verify-time",
    __doc__,
    "runs/time",
    "time_physics.md",
    Plan(),
    QUICK,
    all_runs,
    read,
    tables,
    draw,
)

if __name__ == "__main__":
    STUDY.main()

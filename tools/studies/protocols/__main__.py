"""Run what is missing, measure what each protocol does, and write tables and a figure.

Started by ``tools/verify-protocols``.
"""

from ..harness import Study
from .figure import draw
from .results import read
from .runs import QUICK, Plan, all_runs
from .table import tables

STUDY = Study(
    "tools/verify-protocols",
    __doc__,
    "runs/protocols",
    "protocols_physics.md",
    Plan(),
    QUICK,
    all_runs,
    read,
    tables,
    draw,
)

if __name__ == "__main__":
    STUDY.main()

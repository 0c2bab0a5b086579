"""Run inputs of the present folder with an engine, into directories named after both and the ranks.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.run_inputs ENGINE NAME...``
"""

import sys

from hpcepm.cli import main
from hpcepm.parallel import launch


def run_all(engine: str, names: list[str]) -> None:
    """Run ``NAME.yaml`` into ``NAME ENGINE RANKS`` for each name."""
    ranks = launch.initialize().size
    # All share the realization, also if they are more than there are processors.
    changes = ["--set", f"engine={engine}", "--set", f"ranks_per_realization={ranks}"]
    for name in names:
        directory = f"{name} {engine} {ranks}"
        options = ["--quiet", *changes, "--output", directory]
        assert main([f"{name}.yaml", *options]) == 0, directory


if __name__ == "__main__":
    run_all(sys.argv[1], sys.argv[2:])

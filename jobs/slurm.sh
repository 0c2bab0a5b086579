#!/bin/bash
#SBATCH --job-name=hpcepm
#SBATCH --ntasks=64
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --open-mode=append
#SBATCH --signal=USR1@300
# Submit from the folder of hpcepm, after tools/setup:   sbatch jobs/slurm.sh inputs/quickstart.yaml [options]
set -euo pipefail
export OMP_NUM_THREADS=1
srun --mpi=pmix .venv/bin/python -m hpcepm "$@" --continue

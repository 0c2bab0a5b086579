"""hpcepm: large-lattice elasto-plastic models of amorphous plasticity, parallel with MPI."""

__version__ = "0.1.0"

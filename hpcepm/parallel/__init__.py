"""Ranks: who they are, what they exchange, and which rows of the lattice each has.

MPI is imported here without being initialised: `hpcepm.parallel.launch.initialize` does that, once,
for commands that compute.
"""

import mpi4py

mpi4py.rc.initialize = False
mpi4py.rc.finalize = True
mpi4py.rc.threads = False

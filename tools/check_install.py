"""Check that the ranks see each other, that the distributed FFT works and that HDF5 is there.

Usage: mpiexec -n P python tools/check_install.py P
"""

import sys

import h5py
import numpy as np
from mpi4py import MPI
from mpi4py_fft import PFFT

from hpcepm.parallel.node import Node

comm = MPI.COMM_WORLD
expected = int(sys.argv[1])
if comm.size != expected:
    sys.exit(
        f"MPI started {expected} ranks but each sees {comm.size}: "
        "mpiexec belongs to another MPI than mpi4py loads"
    )

fft = PFFT(comm, (12, 10), axes=(0, 1), dtype=float, planner_effort="FFTW_ESTIMATE")
there = np.random.default_rng(comm.rank).random(fft.forward.input_array.shape)
back = fft.backward(fft.forward(there.copy(), np.zeros_like(fft.forward.output_array)))
if not np.allclose(there, back):
    sys.exit("FFTW forward and back does not give the input again")

node = Node(comm)
word = node.shared(1)
if node.rank == 0:
    word[0] = 1.0
node.barrier()
if word[0] != 1.0:
    sys.exit("ranks of one machine do not see the same memory")

if comm.rank == 0:
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        file["check"] = np.arange(8)
        if file["check"][3] != 3:
            sys.exit("HDF5 does not read back what was written")
    library = MPI.Get_library_version().split(",")[0].strip()
    print(
        f"{comm.size} ranks, {library}, FFTW, HDF5 {h5py.version.hdf5_version}: all work; "
        f"{node.size} share memory"
    )

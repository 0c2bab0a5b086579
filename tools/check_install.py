"""Check that the ranks see each other, that the distributed FFT works and that HDF5 reads back what they wrote.

Usage: mpiexec -n P python tools/check_install.py P
"""

import os
import sys
import tempfile

import h5py
import numpy as np
from mpi4py import MPI
from mpi4py_fft import PFFT

comm = MPI.COMM_WORLD
expected = int(sys.argv[1])
if comm.size != expected:
    sys.exit(f"MPI started {expected} ranks but each sees {comm.size}: mpiexec belongs to another MPI than mpi4py loads")

fft = PFFT(comm, (12, 10), axes=(0, 1), dtype=float, planner_effort="FFTW_ESTIMATE")
there = np.random.default_rng(comm.rank).random(fft.forward.input_array.shape)
back = fft.backward(fft.forward(there.copy(), np.zeros_like(fft.forward.output_array)))
if not np.allclose(there, back):
    sys.exit("FFTW forward and back does not give the input again")

parallel = h5py.get_config().mpi
if parallel:
    folder = comm.bcast(tempfile.mkdtemp() if comm.rank == 0 else None)
    path = os.path.join(folder, "check.h5")
    with h5py.File(path, "w", driver="mpio", comm=comm) as file:
        written = file.create_dataset("ranks", (comm.size, 8), "f8", chunks=(1, 8), fletcher32=True)
        with written.collective:
            written[comm.rank : comm.rank + 1] = comm.rank
    comm.Barrier()
    if comm.rank == 0:
        with h5py.File(path) as file:
            good = (file["ranks"][:, 0] == np.arange(comm.size)).all()
        os.unlink(path)
        os.rmdir(folder)
        if not good:
            sys.exit("the parallel HDF5 file does not hold what the ranks wrote")

if comm.rank == 0:
    library = MPI.Get_library_version().split(",")[0].strip()
    kind = "parallel" if parallel else "serial"
    print(f"{comm.size} ranks, {library}, FFTW, HDF5 {h5py.version.hdf5_version} ({kind}): all work")

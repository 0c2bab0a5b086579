"""What is read from the files of a run, and shown: without MPI, without numba."""

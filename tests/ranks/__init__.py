"""Programs that tests run under mpiexec.

``mpiexec -n 3 python -m mpi4py -m tests.ranks.NAME``. What a program asserts must be so on each of
its ranks; ``-m mpi4py`` ends all of them if one fails.
"""

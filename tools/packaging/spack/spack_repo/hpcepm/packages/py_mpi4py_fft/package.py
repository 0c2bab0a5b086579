"""mpi4py-fft for Spack, which hpcepm calls FFTW through."""

from spack.package import *
from spack_repo.builtin.build_systems.python import PythonPackage


class PyMpi4pyFft(PythonPackage):
    """Fast Fourier transforms in parallel, and an interface to FFTW."""

    pypi = "mpi4py-fft/mpi4py_fft-2.0.6.tar.gz"

    license("BSD-2-Clause")

    version("2.0.6", sha256="2d43aba64d1d6098896cb89942c686a7e8832f1ea6f1593e617d70f365407087")

    depends_on("c", type="build")
    depends_on("py-setuptools@42:80", type="build")
    depends_on("py-cython@0.29.32:", type="build")
    depends_on("py-numpy@2.0:", type=("build", "run"))
    depends_on("py-mpi4py@4.0:", type=("build", "run"))
    depends_on("fftw-api@3")
    depends_on("mpi")

    def setup_build_environment(self, env: EnvironmentModifications) -> None:
        """Name the FFTW, and the compiler of the MPI, that Spack chose."""
        env.set("FFTW_ROOT", self.spec["fftw-api"].prefix)
        env.set("CC", self.spec["mpi"].mpicc)

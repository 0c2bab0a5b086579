"""hpcepm for Spack: the checkout that this file lies in."""

from pathlib import Path

from spack.package import *
from spack_repo.builtin.build_systems.python import PythonPackage


class Hpcepm(PythonPackage):
    """Large-lattice elasto-plastic models of amorphous plasticity, parallel with MPI."""

    git = Path(__file__).resolve().parents[7].as_uri()

    license("BSD-3-Clause")

    version("main", branch="main")

    variant("plot", default=True, description="pictures of runs")
    variant("xarray", default=True, description="the Python API, and hpcepm.open")

    depends_on("python@3.11:", type=("build", "run"))
    depends_on("py-setuptools@77:", type="build")
    with default_args(type="run"):
        depends_on("py-mpi4py@4.0:")
        depends_on("py-mpi4py-fft@2.0.6:")
        depends_on("py-numpy@2.0:")
        depends_on("py-scipy@1.13:")
        depends_on("py-numba@0.60:")
        depends_on("py-h5py@3.11:")
        depends_on("py-pyyaml@6.0:")
        depends_on("py-pydantic@2.7:")
        depends_on("py-matplotlib@3.8:", when="+plot")
        depends_on("py-xarray@2024.10:", when="+xarray")
        depends_on("py-h5netcdf@1.3:", when="+xarray")

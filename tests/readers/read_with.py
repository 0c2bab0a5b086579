"""Read what was exported with the programs that people have; run by `test_readers.py`.

    python read_with.py xarray|vtk|ovito FOLDER

The folder has a run, and exports of it. This runs in environments of its own, without hpcepm's.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import xarray

R, S = 1, 2  # the realization and snapshot that are looked at


def maps_of(folder: Path) -> dict[str, np.ndarray]:
    """Return the fields of the run, by h5py alone."""
    with h5py.File(folder / "run" / "run.h5") as file:
        fields = ("sigma", "epsilon_p", "sigma_c", "n_events")
        return {name: file["fields"][name][R, S] for name in fields}


def with_xarray(folder: Path) -> None:
    """Read the run, what is exported of it, and what a tree writes of itself."""
    import hpcepm

    tree = hpcepm.open(folder / "run")
    tree.to_netcdf(folder / f"tree-{xarray.__version__}.nc", engine="h5netcdf")
    netcdf = xarray.open_datatree(folder / "all.nc", engine="h5netcdf")
    zarr = xarray.open_datatree(folder / "all.zarr", engine="zarr")
    packed = xarray.open_datatree(folder / "gzip.zarr", engine="zarr")
    own = xarray.open_datatree(folder / f"tree-{xarray.__version__}.nc", engine="h5netcdf")
    for other in (netcdf, zarr, packed, own, hpcepm.open(folder / "all.nc")):
        for name, node in tree.children.items():
            for column, values in node.to_dataset().variables.items():
                found = other[name][column]
                assert found.dims == values.dims and found.dtype == values.dtype, (name, column)
                np.testing.assert_array_equal(found.values, values.values, f"{name}/{column}")
                assert found.attrs.get("units") == values.attrs.get("units")
    stress = tree["observables"].stress.sel(strain=0.052, method="nearest")
    assert stress.strain == 0.05 and stress.dims == ("realization",)
    maps = tree["fields"].to_dataset().sel(strain=[0.04, 0.13], method="nearest")
    np.testing.assert_array_equal(maps.strain, [0.05, 0.12])
    if "netCDF4" in sys.argv[3:]:  # the library of the C program
        other = xarray.open_datatree(folder / "all.nc", engine="netcdf4")
        np.testing.assert_array_equal(other["fields"].sigma, tree["fields"].sigma)


def with_vtk(folder: Path) -> None:
    """Read a file of VTK, and the series of XDMF."""
    import vtk
    from vtkmodules.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkXMLImageDataReader()
    reader.SetFileName(str(folder / "vtk" / f"r{R:06d}-s{S:06d}.vti"))
    reader.Update()
    series = vtk.vtkXdmfReader()
    series.SetFileName(str(folder / "maps.xdmf"))
    series.UpdateInformation()
    series.UpdateTimeStep(0.1)
    for image in (reader.GetOutput(), series.GetOutputDataObject(0).GetBlock(R)):
        for name, values in maps_of(folder).items():
            nx, ny = values.shape
            assert image.GetDimensions() == (nx + 1, ny + 1, 2)
            assert image.GetOrigin() == (-0.5, -0.5, -0.5)
            found = vtk_to_numpy(image.GetCellData().GetArray(name))
            np.testing.assert_array_equal(found.reshape(ny, nx).T, values, strict=True)


def with_ovito(folder: Path) -> None:
    """Read a series of VTK."""
    from ovito.io import import_file

    series = import_file(str(folder / "vtk" / f"r{R:06d}.pvd"))
    assert series.num_frames == 4
    found = series.compute(S)
    assert found.attributes["Time"] == 0.1
    (grid,) = found.grids.values()
    for name, values in maps_of(folder).items():
        nx, ny = values.shape
        assert tuple(grid.shape) == (nx, ny, 1)
        np.testing.assert_array_equal(grid[name].array.reshape(ny, nx).T, values)


if __name__ == "__main__":
    {"xarray": with_xarray, "vtk": with_vtk, "ovito": with_ovito}[sys.argv[1]](Path(sys.argv[2]))
    print("read with", sys.argv[1], xarray.__version__)

"""Runs written for other programs: netCDF, Zarr, VTK, XDMF, CSV, and one closed file."""

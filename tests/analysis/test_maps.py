"""Maps as other programs read them: VTK and XDMF."""

import base64
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest

from hpcepm.analysis.export.write import export

from .conftest import simulated
from .test_export import columns


@pytest.mark.parametrize("name", ["many", "counted"])
def test_maps_have_x_along_x(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What VTK, ParaView and OVITO read is tested by ``tools/test --readers``."""
    run = request.getfixturevalue(name)
    export(str(run), "vtk", str(tmp_path / "vtk"))
    export(str(run), "xdmf", str(tmp_path / "maps.xdmf"))
    whole = columns(run)
    strains = np.broadcast_to(whole["fields/strain"], whole["fields/sigma"].shape[:2])
    there = np.argwhere(np.isfinite(strains))
    grids = ElementTree.parse(tmp_path / "maps.xdmf").findall(".//Grid[@GridType='Uniform']")
    assert len(grids) == len(there) == len(list((tmp_path / "vtk").glob("*.vti")))
    for grid, (r, s) in zip(grids, there, strict=True):
        image = ElementTree.parse(tmp_path / "vtk" / f"r{r:06d}-s{s:06d}.vti")
        assert float(grid.find("Time").get("Value")) == strains[r, s]  # type: ignore
        for field in ("sigma", "n_events"):
            values = whole[f"fields/{field}"][r, s]
            content = image.find(f".//CellData/DataArray[@Name='{field}']").text  # type: ignore
            numbers = base64.b64decode(content or "")
            assert int.from_bytes(numbers[:8], "little") == values.nbytes
            assert numbers[8:] == values.T.tobytes()
            place = grid.find(f"Attribute[@Name='{field}']/DataItem").text  # type: ignore
            file, _, dataset = (place or "").partition(":")
            with h5py.File(tmp_path / file) as beside:
                np.testing.assert_array_equal(beside[dataset][0], values.T, strict=True)


def test_maps_of_a_load_that_is_held_say_their_time(tmp_path: Path) -> None:
    """Two are of time 0, so that readers have the numbers of maps for times."""
    held = {"control": "stress", "target": 0.3, "hold": 10}
    output = {"directory": "run", "fields": {"every": 5, "of": "time"}}
    clock = {"type": "thermal", "temperature": 0.05}
    run = simulated(tmp_path, loading=held, clock=clock, output=output)
    export(str(run), "vtk", str(tmp_path / "vtk"))
    export(str(run), "xdmf", str(tmp_path / "maps.xdmf"))
    times = columns(run)["fields/time"][0]
    assert not (np.diff(times) > 0).all()
    grids = ElementTree.parse(tmp_path / "maps.xdmf").findall(".//Grid[@GridType='Uniform']")
    assert len(grids) == len(times)
    for k, (grid, time) in enumerate(zip(grids, times, strict=True)):
        said = {one.get("Name"): float(one.get("Value", "")) for one in grid.iter("Information")}
        image = ElementTree.parse(tmp_path / "vtk" / f"r000000-s{k:06d}.vti")
        field = image.find(".//FieldData/DataArray[@Name='time']")
        assert said["time"] == time and field is not None and float(field.text or "") == time

"""Arrays of a run that are read when they are used.

By then the files may be gone, or those of another run, and HDF5 would show NaN, or the numbers of
that one. So they are looked at each time, and those that were replaced are checked anew.
"""

from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from hpcepm.reading import BadFile, open_hdf5

from .results import LOOKS, open_run, version_of

Versions = dict[str, tuple[int, int] | None]
"""Of files of a run, by their names in its directory."""


class Source:
    """The files of a run.

    Parameters
    ----------
    file
        Its ``run.h5``, open; all that it shows was checked.
    """

    def __init__(self, file: h5py.File) -> None:
        self.path, self.run = Path(file.filename).absolute(), file.attrs["run"]
        self._checked: Versions = {}
        for group in file.values():
            for dataset in group.values():
                self._checked |= self._versions(dataset)

    def _versions(self, dataset: h5py.Dataset) -> Versions:
        """Return the versions of ``run.h5``, and of the files that a dataset shows."""
        names = {one.file_name for one in dataset.virtual_sources()} if dataset.is_virtual else ()
        return {name: version_of(self.path.parent / name) for name in (self.path.name, *names)}

    def read(self, group: str, column: str, shape: tuple[int, ...], key: Any) -> NDArray[Any]:
        """Return a part of a dataset that had a shape when it was opened, and may have grown.

        Raises
        ------
        BadFile
            It is not there any more, or of another run.
        """
        for _ in range(LOOKS):
            if version_of(self.path) is None:
                raise BadFile(f"{self.path}: is not there any more")
            with open_hdf5(self.path, checked=True) as file:
                if file.attrs.get("run") != self.run:
                    raise BadFile(f"{self.path}: is of another run than when it was opened")
                dataset = file[group][column]
                if any(now < then for now, then in zip(dataset.shape, shape, strict=True)):
                    raise BadFile(f"{self.path}: has not all of {dataset.name} any more")
                versions = self._versions(dataset)
                if any(self._checked.get(name) != now for name, now in versions.items()):
                    with open_run(self.path, group):
                        self._checked |= versions
                values: NDArray[Any] = dataset[key]
                if versions == self._versions(dataset):
                    return values
        raise BadFile(f"{self.path}: is replaced again and again")


class Column(BackendArray):  # type: ignore[misc]
    """A dataset of a run, for xarray.

    Parameters
    ----------
    source
        The files.
    group, column
        Its place in ``run.h5``.
    variable
        What xarray knows of it.
    """

    def __init__(self, source: Source, group: str, column: str, variable: Variable) -> None:
        self._source, self._place = source, (group, column)
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        how = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, how, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        inside = tuple(
            slice(*one.indices(n)) if isinstance(one, slice) else one
            for one, n in zip(key, self.shape, strict=True)
        )
        return self._source.read(*self._place, self.shape, inside)


def lazy(source: Source, group: str, data: Dataset) -> Dataset:
    """Return a group whose arrays are read when they are used, and then kept."""
    columns = {}
    for name, variable in data.variables.items():
        if name in data.indexes:
            continue
        array = indexing.LazilyIndexedArray(Column(source, group, str(name), variable))
        kept = indexing.MemoryCachedArray(indexing.CopyOnWriteArray(array))
        columns[name] = Variable(variable.dims, kept, variable.attrs, variable.encoding)
    return data.assign({name: columns[name] for name in data.data_vars}).assign_coords(
        {name: columns[name] for name in data.coords if name in columns}
    )

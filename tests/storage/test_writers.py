"""Who writes which bytes of a file of many ranks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpcepm.parallel.ranks import Ranks
from hpcepm.run import report
from hpcepm.storage import writers
from tests.conftest import assert_on_ranks

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /home rw - autofs home rw
31 22 0:41 / /home rw,noatime shared:5 - nfs4 server:/home rw
32 31 0:42 / /home/me/my\\040disk rw - fuse.sshfs me@there: rw
33 22 0:43 / /scratch rw - lustre one@tcp:/scratch rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/tmp", "ext4"),
        ("/", "ext4"),
        ("/home/me/runs", "nfs4"),
        ("/home/me/my disk", "fuse.sshfs"),
        ("/home/me/my disks", "nfs4"),
        ("/scratch/a/b", "lustre"),
        ("/scratches", "ext4"),
    ],
)
def test_the_file_system_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, kind: str
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(writers, "MOUNTS", str(tmp_path / "mounts"))
    monkeypatch.setattr("os.path.realpath", str)
    assert writers.file_system(Path(folder)) == kind


def test_without_linux_the_file_system_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_rank: Ranks
) -> None:
    monkeypatch.setattr(writers, "MOUNTS", str(tmp_path / "mounts"))
    found = writers.writers_in(tmp_path, one_rank)
    assert found == ([0], 1, True, writers.UNKNOWN)


def test_pages_have_one_writer_and_pieces_are_large(tmp_path: Path) -> None:
    assert_on_ranks("written_bytes", 4, tmp_path, str(tmp_path))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (writers.Writers([0, 1], 1, True, "nfs4"), "run, on nfs4"),
        (writers.Writers([0, 2, 1, 3], 2, True, "lustre"), "on lustre: all machines write"),
        (writers.Writers([0, 1], 2, False, "nfs4"), "so that of rank 0 writes for all"),
    ],
)
def test_the_header_says_who_writes(found: writers.Writers, told: str) -> None:
    run: Any = SimpleNamespace(path=Path("run"), writers=found)
    (line,) = report._output(run)
    assert told in line
    assert (found.machines > 1) == (":" in line)

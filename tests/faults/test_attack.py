"""Files of a run that were forged with care, their checksums right, or damaged by chance.

See `attack`. With ``--long`` as many as docs/reliability.md says; each must be refused with one
message, or be harmless: no traceback, hang or crash, no file outside touched, and of damaged files
no number without a word.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Count, run_python, settings_for
from tests.faults.harness import COMMAND, ROOT, write_input

SMALL: dict[str, Any] = settings_for((9, 8), loading={"target": 0.2}, realizations=3)
LAZY: dict[str, Any] = settings_for((67, 7), loading={"target": 0.1}, engine="lazy")
PARTS = ["--max-walltime", "0.001"]


def attacked(folder: Path, settings: dict[str, Any], kind: str, *numbers: int) -> str:
    """Attack a run that was stopped half-way; return what was seen."""
    write_input(folder, {**settings, "realizations": 1})
    half = COMMAND if settings is SMALL else [*COMMAND, "--set", "loading.target=0.05"]
    assert run_python(half, None, folder).returncode == 0
    write_input(folder, settings)
    for _ in range(3):
        assert run_python([*COMMAND, *PARTS], None, folder).returncode == 75
    shutil.copytree(folder / "run", folder / "sound")
    assert run_python(COMMAND, None, folder).returncode == 0
    (folder / "run").rename(folder / "whole")
    program = ["-m", "tests.faults.attack", kind, str(folder), *map(str, numbers)]
    done = run_python(program, None, folder, 1200, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return str(done.stdout)


def check(said: str, count: Count) -> None:
    lines = said.splitlines()
    wrong = [(lines[k - 1], line) for k, line in enumerate(lines) if line.startswith("wrong")]
    assert not wrong, wrong[:5]
    assert lines[-1] == "end" and "done" in lines
    for _ in range(lines.count("done")):
        count.done()


@pytest.mark.parametrize("settings", [SMALL, LAZY], ids=["small", "lazy"])
def test_forged_files(tmp_path: Path, count: Count, settings: dict[str, Any]) -> None:
    name = "lazy" if settings is LAZY else "small ensemble"
    n = count.of(f"forged file of a run ({name}): refused or harmless", few=12, many=1500)
    every = 16_000 if settings is SMALL else 8_000
    check(attacked(tmp_path, settings, "forged", 11, every // n), count)


def test_damaged_files(tmp_path: Path, count: Count) -> None:
    n = count.of("damaged file of a run: told, and no number without a word", few=20, many=1500)
    check(attacked(tmp_path, SMALL, "damaged", 5, n), count)

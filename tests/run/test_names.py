"""Names that no one would choose: a run in a directory of any name is a run."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from hpcepm.cli import main
from hpcepm.faults import REACHED, STOPPED
from hpcepm.text import quoted
from tests.conftest import assert_same_bits


@pytest.mark.parametrize("name", ["t\tt", "jp\u3000x", "k\nk", "c\r\x7f", "\ufeffé \U0001f9ea"])
def test_a_directory_of_any_name_goes_on_and_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = {"lattice": {"shape": [8, 6]}, "loading": {"target": 0.1}}
    Path(f"{name}.yaml").write_text(yaml.safe_dump(whole))
    words = [f"{name}.yaml", "--quiet"]
    assert main([*words, "--output", "straight"]) == REACHED
    for output in ([], ["--output", name]):
        directory = Path(output[1] if output else f"runs/{name}")
        assert main([*words, *output, "--max-walltime", "0.001"]) == STOPPED
        said = capsys.readouterr().err
        assert main([*words, *output, "--continue"]) == REACHED
        assert_same_bits(Path("straight"), directory)
        (directory / "run.h5").unlink()
        assert main(["verify", str(directory), "--repair"]) == REACHED
        assert_same_bits(Path("straight"), directory)
        assert said.count("\n") == 1
    assert main(["sweep", *words[:1], "seed=1,2", "--output", f"{name}-sweep"]) == REACHED


def test_what_is_to_be_pasted_is_what_was_meant() -> None:
    words = ["a b", "t\tt", "jp\u3000x", "k\nk", "\x7f'q\\\t", "é%$(x)`\r", "\udcff\n", "plain"]
    line = " ".join(map(quoted, words))
    assert line.replace("\ufffd", "").isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == words

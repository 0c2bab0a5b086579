"""Calibration of the keys of a plug-in."""

from pathlib import Path

import pytest
import yaml

from hpcepm.cli import main
from tests.cli.test_calibration import TARGET, folder

__all__ = ["folder"]


def test_a_plugin_has_keys_that_can_be_fitted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.py").write_text(
        "from dataclasses import dataclass\nimport hpcepm\n\n@hpcepm.slip(name='mine_too')\n"
        "@dataclass(frozen=True)\nclass Mine:\n    c0: hpcepm.Positive\n\n"
        "    def slip(self, sigma_c, u):\n        return 2 * self.c0 * u\n"
    )
    glass = yaml.safe_load((folder / "glass.yaml").read_text())
    glass["slip"] = {"distribution": "mine_too", "c0": 0.03}
    (folder / "glass.yaml").write_text(yaml.safe_dump(glass))
    (folder / "target.yaml").write_text(yaml.safe_dump(TARGET))
    monkeypatch.chdir(folder)
    command = ["calibrate", "target.yaml", "--quiet"]
    assert main(command) == 2 and "mine_too" in capfd.readouterr().err
    assert main([*command, "--plugin", "no.py"]) == 2
    assert "no.py: the plug-in cannot be read: No such file" in capfd.readouterr().err
    assert main([*command, "--plugin", "mine.py"]) == 0, capfd.readouterr().err
    assert (folder / "out" / "calibration.json").exists()

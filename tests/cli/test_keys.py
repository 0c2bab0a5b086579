"""Keys of an input: each is explained, and the JSON Schema takes what the program takes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from hpcepm.cli import main
from hpcepm.cli.terms import TERMS
from hpcepm.faults import WRONG_INPUT
from hpcepm.input.keys import all_keys, found, more_of, near
from hpcepm.input.meanings import UNITS, meanings_of
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from hpcepm.input.schema import ElasticityInput
from hpcepm.input.strict_yaml import parse
from tools.key_reference import PAGE, page

ROOT: Final = Path(__file__).parents[2]
INPUTS: Final = sorted(
    p for room in ("", "paper", "protocols") for p in (ROOT / "inputs" / room).glob("*.yaml")
)
OF_PLUGINS: Final = sorted((ROOT / "inputs" / "plugins").glob("*.yaml"))
BEGIN: Final = "lattice: {shape: [8, 8]}\n"
STRAIN: Final = f"{BEGIN}loading: {{target: 0.1}}\n"
ROUND: Final = "centre: [1, 1], size: 2, thresholds: {set: 1}"
WRONG: Final = {
    "nothing": "{}",
    "no loading": BEGIN,
    "an unknown key": f"{STRAIN}sead: 1\n",
    "an unknown key in a section": f"{STRAIN}slip: {{co: 0.1}}\n",
    "a key of another kind": f"{STRAIN}slip: {{distribution: to_stress, c0: 0.1}}\n",
    "three sizes": "lattice: {shape: [8, 8, 8]}\nloading: {target: 0.1}\n",
    "a size of 1": "lattice: {shape: [1, 8]}\nloading: {target: 0.1}\n",
    "a fraction of a site": "lattice: {shape: [8.5, 8]}\nloading: {target: 0.1}\n",
    "a negative modulus": f"{STRAIN}elasticity: {{shear_modulus: -1}}\n",
    "a word for a number": f"{STRAIN}elasticity: {{shear_modulus: soft}}\n",
    "another preset": f"{STRAIN}thresholds: {{initial: HTL}}\n",
    "another distribution": f"{STRAIN}thresholds: {{initial: {{distribution: cauchy}}}}\n",
    "a field at renewal": f"{STRAIN}thresholds: {{renewal: {{distribution: field, file: a}}}}\n",
    "another field": f"{STRAIN}output: {{fields: {{names: [temperature]}}}}\n",
    "no unit of time": f"{STRAIN}checkpoint: {{every: 30 parsecs}}\n",
    "a strain backward": f"{BEGIN}loading: {{target: -0.1}}\n",
    "a target of extremal": f"{BEGIN}loading: {{control: extremal, target: 1}}\n",
    "another rule": f"{STRAIN[:-2]}, until: {{temperature: 3}}}}\n",
    "an empty list": f"{BEGIN}loading: []\n",
    "a wrong part of a list": f"{BEGIN}loading: [{{repeat: 2, segments: [{{aim: 1}}]}}]\n",
    "a round region": f"{STRAIN}regions: [{{shape: blob, {ROUND}}}]\n",
}


def hpcepm(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hpcepm", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    plugins = [part for p in OF_PLUGINS for part in ("--plugin", str(p.with_suffix(".py")))]
    done = hpcepm("schema", *plugins)
    assert done.returncode == 0, done.stderr
    schema = json.loads(done.stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def content(path: Path) -> Any:
    return parse(path.read_bytes(), str(path)).content


@pytest.mark.parametrize("path", [*INPUTS, *OF_PLUGINS], ids=lambda path: path.stem)
def test_the_schema_takes_every_input(validator: Draft202012Validator, path: Path) -> None:
    assert [error.json_path for error in validator.iter_errors(content(path))] == []


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_the_schema_refuses_what_the_program_refuses(
    validator: Draft202012Validator, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_input(str(path), [])
    assert not validator.is_valid(content(path))


def test_every_key_has_a_meaning_and_every_number_a_unit() -> None:
    keys = all_keys()
    entries = [(key, entry) for key, some in keys.items() for entry in some]
    assert len(entries) > 100
    assert [key for key, entry in entries if not re.search(r"\w{2}", entry.meaning)] == []
    numbers = [(key, entry) for key, entry in entries if "number" in entry.values]
    assert [key for key, entry in numbers if entry.unit not in UNITS.values()] == []
    words = {"slip.c1", "loading.until.events_per_site", "thresholds.initial.mean", "stall"}
    assert words <= set(keys)


def test_a_docstring_says_what_a_key_means() -> None:
    meanings = meanings_of(ElasticityInput)
    assert set(meanings) == {"shear_modulus", "bulk_modulus"}
    assert meanings["bulk_modulus"].unit == "stress"
    assert meanings["bulk_modulus"].text.endswith("by μ* = μ/(1 + μ/K) alone.")


def test_the_reference_of_keys_is_current() -> None:
    assert PAGE.read_text() == page(), "python -m tools.key_reference writes it anew"


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("slip.c1", "slip.c1"),
        ("c1", "slip.c1"),
        ("regions[0].size", "regions.size"),
        ("loading.until.events", "loading.until.events_per_site"),
        ("mean", None),
        ("slip.co", None),
    ],
)
def test_keys_are_found_by_a_part(asked: str, key: str | None) -> None:
    assert found(all_keys(), asked) == key


def test_near_misses_get_a_suggestion(capfd: pytest.CaptureFixture[str]) -> None:
    assert "slip.c0" in near(all_keys(), "slip.co")
    assert main(["explain", "lattice.shpae"]) == WRONG_INPUT
    assert "did you mean lattice.shape" in capfd.readouterr().err
    for name, is_value in {"GQ": True, "weibull": True, "distribution": False, "or": False}.items():
        assert main(["explain", name]) == WRONG_INPUT
        assert ("hpcepm explain thresholds.initial\n" in capfd.readouterr().err) == is_value


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("yield stress", "thresholds.initial and thresholds.renewal"),
        ("Stress-drops", "output.avalanches"),
        ("avalanche", "output.avalanches"),
        ("strain rate", "clock.temperature how warm, and loading.rate"),
        ("flow_stress", "hpcepm summarize"),
        ("mu", "did you mean elasticity.shear_modulus"),
        ("flux capacitor", "hpcepm explain lists all"),
    ],
)
def test_a_word_of_the_field_says_where_it_is_found(
    capfd: pytest.CaptureFixture[str], word: str, says: str
) -> None:
    assert main(["explain", *word.split()]) == WRONG_INPUT
    assert says in capfd.readouterr().err


def test_terms_name_keys_that_there_are() -> None:
    keys = all_keys()
    named = {one for said in TERMS.values() for one in re.findall(r"[a-z_]+\.[a-z0-9_]+", said)}
    assert named and named <= set(keys)
    words = [word for some in TERMS for word in some]
    assert len(words) == len(set(words)) and not set(words) & set(keys)


def test_a_key_is_explained(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "slip.c1"]) == 0
    said = capfd.readouterr().out
    for part in ("c0 + c1 σ_c²", "1/(Lennard-Jones stress)²", "0.0206", "at least 0", "section 2"):
        assert part in said
    assert main(["explain"]) == 0
    tree = capfd.readouterr().out.splitlines()
    assert len(tree) == len(all_keys()) + 2


def test_where_more_is_said_of_a_key_it_is() -> None:
    keys, model = all_keys(), (ROOT / "docs" / "model.md").read_text()
    for key in keys:
        page, _, section = more_of(keys, key).partition(", section ")
        assert (ROOT / page).is_file()
        assert not section or f"\n## {section}. " in model
        assert section or key.rpartition(".")[2] in (ROOT / page).read_text()
    assert more_of(keys, "clock.dt") == more_of(keys, "loading.frequency") == "docs/maxwell.md"


def test_an_input_to_begin_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine.yaml"]) == 0
    written = (tmp_path / "mine.yaml").read_text()
    assert written.splitlines()[0] == "# yaml-language-server: $schema=hpcepm.schema.json"
    assert read_input("mine.yaml", []).settings.output.directory == "runs/mine"
    schema = json.loads((tmp_path / "hpcepm.schema.json").read_text())
    assert Draft202012Validator(schema).is_valid(content(tmp_path / "mine.yaml"))
    capfd.readouterr()
    for name, said in (
        ("mine.yaml", "there already"),
        ("none/a.yaml", "no such directory"),
        ("a.txt", "a YAML file"),
    ):
        assert main(["init", name]) == WRONG_INPUT
        assert said in capfd.readouterr().err
    assert (tmp_path / "mine.yaml").read_text() == written
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hpcepm.schema.json", "mine.yaml"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hpcepm expl", {"explain"}),
        ("hpcepm explain slip.c", {"slip.c0", "slip.c1"}),
        ("hpcepm swe", {"sweep"}),
        ("hpcepm sweep i.yaml seed=1..2 --arr", {"--array"}),
    ],
)
def test_shells_complete(tmp_path: Path, line: str, expected: set[str]) -> None:
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1"}
    answer = tmp_path / "answer"
    to = {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    hpcepm(**asked, **to)
    assert {word.strip() for word in answer.read_text().split("\n")} == expected

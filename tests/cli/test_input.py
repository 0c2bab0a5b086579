"""Input: what is read, and how what is wrong is said."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from hpcepm.input.named_files import read_field_rows
from hpcepm.input.problems import InputError
from hpcepm.input.read import ReadInput, read_input, refuse_too_large
from hpcepm.input.schema import Input
from hpcepm.parallel.rows import Lattice
from tests.parallel.test_rows import OneOfMany

MINIMAL = "lattice: {shape: [8, 6]}\nloading: {target: 0.1}\n"

INPUTS = Path(__file__).parents[2] / "inputs"


def read(tmp_path: Path, text: str | bytes, *assignments: str) -> ReadInput:
    path = tmp_path / "in.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_input(str(path), list(assignments))


def problems(tmp_path: Path, text: str | bytes, *assignments: str) -> list[str]:
    with pytest.raises(InputError) as raised:
        read(tmp_path, text, *assignments)
    for line in raised.value.problems:
        assert "\n" not in line and len(line) < 400 + len(str(tmp_path)), line
    return [line.replace(str(tmp_path) + os.sep, "") for line in raised.value.problems]


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL).settings
    assert settings.model_dump() == {
        "lattice": {"shape": [8, 6]},
        "elasticity": {"shear_modulus": 14.7, "bulk_modulus": 52.0},
        "kernel": {"type": "continuum", "orientation": "simple"},
        "thresholds": {"initial": "ESL", "renewal": "MCT"},
        "slip": {"distribution": "exponential", "c0": 0.0276, "c1": 0.0206},
        "regions": None,
        "initial_stress": {"std": 0.0},
        "initial_plastic_strain": None,
        "yielding": {
            "sides": "one",
            "landscape": "renewed",
            "order": "synchronous",
            "memory": 0.0,
            "damage": None,
            "most_events_per_site": 1000,
        },
        "loading": {"control": "strain", "target": 0.1},
        "engine": "auto",
        "seed": 1,
        "realizations": 1,
        "ranks_per_realization": "auto",
        "output": {
            "directory": os.path.join("runs", "in"),
            "observables": {"every": 0.005, "of": "strain"},
            "fields": None,
            "avalanches": True,
            "events": False,
        },
        "checkpoint": {"every": 1800.0, "keep": 2},
        "stall": 600.0,
    }


@pytest.mark.parametrize(
    "name",
    sorted(
        str(path.relative_to(INPUTS))
        for pattern in ("*.yaml", "protocols/*.yaml")
        for path in INPUTS.glob(pattern)
    ),
)
def test_the_inputs_that_we_ship_are_valid(name: str) -> None:
    assert read_input(str(INPUTS / name), []).settings.loading.turns


def test_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "lattice: {shape: [010, 0x10]}\nloading: {target: 1e-3}\n"
        "slip: {c0: 5.e-2, c1: .5}\nseed: 0",
    ).settings
    assert settings.lattice.shape == [10, 16]
    assert (settings.loading.target, settings.slip.c0, settings.slip.c1, settings.seed) == (
        1e-3,
        0.05,
        0.5,
        0,
    )


def test_durations(tmp_path: Path) -> None:
    for text, seconds in {
        "90 s": 90,
        "30 min": 1800,
        "2h": 7200,
        "1.5 d": 129600,
        "0.3 s": 0.3,
    }.items():
        assert (
            read(tmp_path, MINIMAL + f"checkpoint: {{every: {text}}}").settings.checkpoint.every
            == seconds
        )


def test_all_problems_at_once_with_place_path_and_remedy(tmp_path: Path) -> None:
    text = (
        "lattice:\n  shape: [256, 2.5]\n  boundry: 1\nkernel: {type: continum}\n"
        "loading: {target: -1}\n"
        "thresholds: {initial: {distribution: weibull, shape: 2, scal: 1}, renewal: gq}\n"
        "seed: [1]\n"
    )
    assert problems(tmp_path, text) == [
        "in.yaml:2:16: lattice.shape[1]: must be a whole number, not 2.5",
        "in.yaml:3:3: lattice.boundry: unknown key (known here: shape)",
        "in.yaml:4:16: kernel.type: must be 'continuum', 'finite_difference', 'cell_average', "
        "'none', 'uniform', 'table' or 'shuffled', not 'continum' (did you mean 'continuum'?)",
        "in.yaml:5:19: loading.target: must be positive, not -1",
        "in.yaml:6:57: thresholds.initial.scal: unknown key (did you mean 'scale'?)",
        "in.yaml:6:76: thresholds.renewal: must be 'MCT', 'ESL' or 'GQ', "
        "not 'gq' (did you mean 'GQ'?)",
        "in.yaml:7:7: seed: must be a whole number, not a list of 1; write 1, without brackets",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "in.yaml: is empty"),
        ("# nothing\n", "in.yaml: is empty"),
        ("- 1\n", "in.yaml:1:1: expected keys and values"),
        ("just words\n", "in.yaml:1:1: expected keys and values"),
        ("lattice: {shape: [4, 4]\nloading: 3\n", "in.yaml:2:1: not YAML"),
        ("a: 'b\n", "not YAML"),
        ("\tlattice: 1\n", "not YAML"),
        (MINIMAL + "seed: 1\nseed: 2\n", "in.yaml:4:1: seed: given twice; first at in.yaml:3:1"),
        ("a: &x 1\nb: *x\n", "in.yaml:1:4: aliases and anchors"),
        ("a: !!python/object:os.system 1\n", "in.yaml:1:4: tags"),
        ("a: " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("a: 1\n---\nb: 2\n", "in.yaml:2:1: a second document"),
        ("? [1]\n: 2\n", "a key must be a word"),
        (b"seed: \xff\n", "in.yaml:1: is not UTF-8 (byte 0xff)"),
        ("seed: \x07\n", "in.yaml:1:7: not YAML"),
        ("a" * 60_000, "in.yaml: is 50001 bytes long"),
        (MINIMAL + "seed: " + "9" * 5000, "seed: a number of 5000 characters is too long"),
        (MINIMAL + "seed: " + "9" * 300, "seed: must be less than 18446744073709551616"),
        (MINIMAL + "seed: -1", "seed: must be 0 or more, not -1"),
        (MINIMAL + "seed: true", "seed: must be a whole number, not true"),
        (MINIMAL + "seed: 1.0", "seed: must be a whole number, not 1.0; write 1"),
        (MINIMAL + "engine:", "engine: must be 'auto'"),
        (MINIMAL + "slip: {c0: .nan}", "slip.c0: must be a finite number, not nan"),
        (MINIMAL + "slip: {c0: .inf}", "slip.c0: must be a finite number, not inf"),
        (MINIMAL + "slip: {c0: 1e999}", "slip.c0: must be a finite number, not inf"),
        (MINIMAL + "slip: {c0: 0, c1: 0}", "slip: c0 and c1 are both 0"),
        (MINIMAL + "slip: 3", "slip: must be keys and values, not 3"),
        (MINIMAL + "thresholds: {initial: {}}", "thresholds.initial: name a distribution"),
        (
            MINIMAL + "thresholds: {initial: {distribution: 3}}",
            "thresholds.initial: name a distribution",
        ),
        (
            MINIMAL + "thresholds: {renewal: {distribution: field, file: x}}",
            "renewal: unknown distribution 'field'",
        ),
        (
            MINIMAL + "thresholds: {initial: {distribution: gamma, shape: 1, mean: 2}}",
            "give shape and scale, or mean and std",
        ),
        (
            MINIMAL + "thresholds: {initial: {distribution: uniform, low: 2, high: 1}}",
            "low must be less than high",
        ),
        (
            MINIMAL + "thresholds: {initial: {distribution: normal, mean: 1}}",
            "thresholds.initial.std: is required",
        ),
        (MINIMAL + "checkpoint: {every: 12:00:00}", "checkpoint.every: write a time as"),
        (MINIMAL + "output: {observables: {every: 1e-12}}", "more than 10,000,000 records"),
        (MINIMAL + "output: {fields: {names: [sigma, sigma]}}", "each field can be named once"),
        (MINIMAL + "realizations: 0", "realizations: must be at least 1, not 0"),
        (MINIMAL + "ranks_per_realization: none", "ranks_per_realization: "),
        ("loading: {target: 1}\n", "in.yaml:1:1: lattice: is required"),
        ("lattice: {}\nloading: {target: 1}\n", "in.yaml:1:10: lattice.shape: is required"),
        (
            "lattice: {shape: [1, 4]}\nloading: {target: 1}\n",
            "lattice.shape[0]: must be at least 2, not 1",
        ),
        (
            "lattice: {shape: [4, 4, 4]}\nloading: {target: 1}\n",
            "lattice.shape: has 3 items; write two sizes",
        ),
    ],
)
def test_wrong_yaml(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert any(said in line for line in problems(tmp_path, text)), problems(tmp_path, text)


def test_an_input_that_is_no_file(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path, "is a directory"),
        (tmp_path / "none.yaml", "no such file"),
        ("a\0b", "a�b: is a name that no file can have"),
    ):
        with pytest.raises(InputError, match=said):
            read_input(str(path), [])


def test_set_overrides_and_is_named_when_wrong(tmp_path: Path) -> None:
    read_ = read(
        tmp_path,
        MINIMAL,
        "seed=7",
        "lattice.shape=[4, 5]",
        "output.fields.every=0.1",
        "thresholds.initial=GQ",
    )
    assert (read_.settings.seed, read_.settings.lattice.shape) == (7, [4, 5])
    assert read_.settings.output.fields is not None and read_.settings.output.fields.every == 0.1
    assert problems(tmp_path, MINIMAL, "seed=x", "lattice.shap=3") == [
        "--set lattice.shap=3: lattice.shap: unknown key (did you mean 'shape'?)",
        "--set seed=x: seed: must be a whole number, not 'x'",
    ]
    assert problems(tmp_path, MINIMAL, "seed", "=3", "a..b=1") == [
        "--set seed: write it as key.path=value",
        "--set =3: write it as key.path=value",
        "--set a..b=1: write it as key.path=value",
    ]
    assert "not YAML" in problems(tmp_path, MINIMAL, "seed={")[0]


def with_thresholds(which: str, distribution: str, file: str) -> str:
    return MINIMAL + f"thresholds: {{{which}: {{distribution: {distribution}, file: '{file}'}}}}\n"


def test_samples_from_csv_and_hdf5(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("# measured\nsigma_c\n1.5\n0.5\n\n1.0\n")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["a/b"] = np.array([[3.0, 1.0]], "f4")
    assert list(
        read(tmp_path, with_thresholds("renewal", "samples", "s.csv")).data["thresholds.renewal"]
    ) == [0.5, 1.0, 1.5]
    assert list(
        read(tmp_path, with_thresholds("initial", "samples", "s.h5:/a/b")).data[
            "thresholds.initial"
        ]
    ) == [1, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "x.csv: No such file"),
        ("", "x.csv: holds no values"),
        ("1\nnan\n", "x.csv: value 2 is nan"),
        ("1\ntwo\n", "x.csv:2: 'two' is not a number"),
        ("1,2\n", "x.csv:1: has 2 columns; one is expected"),
        (b"\xff\xfe1", "x.csv: is not a CSV file"),
        ("1\n\0\n", "x.csv"),
        ("1.O5\n2\n", "x.csv:1: '1.O5' is not a number"),
        ("1_0\n", "x.csv:1: '1_0' is not a number"),
        ("1\n2e12\n", "value 2 is 2000000000000.0"),
        ("heading\n", "holds no values"),
    ],
)
def test_bad_samples(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "x.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (line,) = problems(tmp_path, with_thresholds("renewal", "samples", "x.csv"))
    assert "thresholds.renewal.file: " in line and said in line


def test_a_field_of_thresholds_is_read_row_by_row(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((8, 6))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["sigma_c"] = values
    read(tmp_path, with_thresholds("initial", "field", "f.h5:/sigma_c"))
    for rank, rows in enumerate((slice(0, 4), slice(4, 8))):
        lattice = Lattice((8, 6), OneOfMany(2, rank))  # type: ignore[arg-type]
        assert (read_field_rows("f.h5:/sigma_c", str(tmp_path), lattice) == values[rows]).all()


def hostile_hdf5(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["secret"] = np.ones((8, 6))
    with h5py.File(path, "w") as file:
        file["good"] = np.ones((8, 6))
        file["wrong_shape"] = np.ones((6, 8))
        file["nothing"] = h5py.Empty("f8")
        file["text"] = np.array([b"a", b"b"])
        file["bad"] = np.full((8, 6), np.inf)
        file["group/inside"] = 1.0
        file["link"] = h5py.ExternalLink("other.h5", "/secret")
        file["soft"] = h5py.SoftLink("/good")
        file.create_dataset(
            "outside",
            (8, 6),
            "f8",
            external=[(str(path.with_name("raw.bin")), 0, h5py.h5f.UNLIMITED)],
        )
        file.create_dataset("huge", (10**6, 10**6), "f8")
        layout = h5py.VirtualLayout((8, 6), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(8, 6))
        file.create_virtual_dataset("virtual", layout)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("", "name the dataset too"),
        (":/none", "has no dataset /none"),
        (":/good/deeper", "has no dataset"),
        (":/group", "is a group"),
        (":/wrong_shape", "has shape (6, 8), but lattice.shape is (8, 6)"),
        (":/text", "not numbers"),
        (":/bad", "site (0, 0) is inf"),
        (":/link", "is a link"),
        (":/soft", "is a link"),
        (":/outside", "keeps its data in other files"),
        (":/virtual", "keeps its data in other files"),
        (":/huge", "stores only 0 bytes"),
        (":/nothing", "is empty"),
        (":/.", "name a dataset, not /."),
        (":/", "name the dataset too"),
    ],
)
def test_bad_fields(tmp_path: Path, dataset: str, said: str) -> None:
    hostile_hdf5(tmp_path / "f.h5")
    (line,) = problems(tmp_path, with_thresholds("initial", "field", "f.h5" + dataset))
    assert line.startswith("in.yaml:3:") and "thresholds.initial.file: " in line and said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r'seed: "\UFFFFFFFF"', "not YAML"),
        (r'seed: "\U00110000"', "not YAML"),
        (r'output: {directory: "a\0b"}', "a character that no name of a file should have"),
        ("realizations: true", "must be a whole number, not true"),
        ("ranks_per_realization: 1.0", "must be a whole number, not 1.0"),
        (
            "thresholds: {renewal: {distribution: lognormal, shape: 6, scale: 1}}",
            "shape must be at most 5",
        ),
        ("thresholds: {renewal: {distribution: weibull, shape: 0.01, scale: 1}}", "0.05"),
        ("elasticity: {bulk_modulus: 1e-300}", "must be at least 1e-12"),
    ],
)
def test_values_that_would_break_something_later(tmp_path: Path, text: str, said: str) -> None:
    (line,) = problems(tmp_path, MINIMAL + text + "\n")
    assert said in line


def test_the_narrowest_lattice(tmp_path: Path) -> None:
    assert "must be at least 3" in problems(tmp_path, MINIMAL, "lattice.shape=[40, 2]")[0]
    read(tmp_path, MINIMAL, "lattice.shape=[2, 3]")


def test_a_lattice_that_memory_cannot_hold(tmp_path: Path) -> None:
    settings = read(tmp_path, "lattice: {shape: [1048576, 1048576]}\nloading: {target: 0.1}\n")
    with pytest.raises(
        InputError,
        match=r"in.yaml:1:18: lattice.shape: 1048576 × 1048576 sites need at least 51200 GiB",
    ):
        refuse_too_large(settings, 2**34)
    refuse_too_large(settings, 2**50)


def test_a_field_file_that_is_not_hdf5(tmp_path: Path) -> None:
    (tmp_path / "f.h5").write_text("no")
    (line,) = problems(tmp_path, with_thresholds("initial", "field", "f.h5:/a"))
    assert "f.h5: is not a readable HDF5 file" in line


def test_what_is_resolved_is_a_valid_input_again(tmp_path: Path) -> None:
    settings = read(
        tmp_path, MINIMAL + "thresholds: {initial: {distribution: gamma, mean: 1, std: 0.5}}"
    ).settings
    again: Any = yaml.safe_load(settings.model_dump_json(exclude_none=True))
    assert Input.model_validate(again) == settings

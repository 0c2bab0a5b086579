"""Wrong keys and values: each is told where it is, and how it should be written."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hpcepm.input.keys import all_keys
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_mapping
from tests.cli.said import (
    LATTICE,
    LOADING,
    MINIMAL,
    assert_said,
    is_in_plain_words,
    problems_of,
)
from tests.cli.test_input import read

OF_LATTICE = [
    ("64", "1:18 lattice.shape", "must be a list, not 64; write [64, 64]"),
    ("64x64", "1:18 lattice.shape", "write [64, 64]"),
    ("64 × 64", "1:18 lattice.shape", "write [64, 64]"),
    ("'[64, 64]'", "1:18 lattice.shape", "write [64, 64]"),
    ("(64, 64)", "1:23 lattice.64)", "a list in brackets, as [64, 64]"),
    ("[16, 16, 16]", "1:18 lattice.shape", "two sizes, as [256, 256]: the lattice is two-dimens"),
    ("[16]", "1:18 lattice.shape", "has 1 item; write two sizes"),
    ("[64.0, 64]", "1:19 lattice.shape[0]", "must be a whole number, not 64.0; write 64"),
    ("[1e2, 64]", "1:19 lattice.shape[0]", "write 100"),
    ("['64', 64]", "1:19 lattice.shape[0]", "write 64, without quotes"),
    ("[1, 64]", "1:19 lattice.shape[0]", "must be at least 2, not 1"),
    ("[64 64]", "1:19 lattice.shape[0]", "a comma is missing: write [64, 64]"),
    ("[256 256]", "1:19 lattice.shape[0]", "a comma is missing: write [256, 256]"),
    ("[8, 2]", "1:18 lattice.shape", "the second number (along y) must be at least 3"),
    ("", "1:17 lattice.shape", "has no value; write shape: [256, 256]"),
]

OF_LOADING = [
    ("0.1", "2:10 loading", "write loading: {target: 0.1}"),
    ("strain", "2:10 loading", "write loading: {control: strain}"),
    ("", "2:9 loading", "has no value; write loading: {target: 1.0}"),
    ("{target: -0.1}", "2:19 loading.target", "must be positive, not -0.1"),
    ("{target: 0,05}", "2:21 loading.05", "write a number with a point, as 0.05"),
    ("{target: '0,05'}", "2:19 loading.target", "write 0.05, with a point"),
    ("{target: '0.05'}", "2:19 loading.target", "write 0.05, without quotes"),
    ("{target: 5%}", "2:19 loading.target", "write 0.05"),
    ("{target: \u22120.1}", "2:19 loading.target", "U+2212 (minus sign) stands in it: write -0.1"),
    ("{target: \uff11}", "2:19 loading.target", "U+FF11 (fullwidth digit one) stands here; write"),
    ("{target: [0.1]}", "2:19 loading.target", "write 0.1, without brackets"),
    ("{target: {0.1}}", "2:19 loading.target", "write 0.1, without braces"),
    ("{strain: 0.1}", "2:11 loading.strain", "here that is target"),
    ("{targte: 0.1}", "2:11 loading.targte", "did you mean 'target'?"),
    ("{control: strian, target: 1}", "2:20 loading.control", "did you mean 'strain'?"),
    ("{control: machine, target: 1}", "2:10 loading.stiffness", "is required"),
    ("{control: extremal}", "2:10 loading", "write until: {plastic_strain: 0.1}"),
    ("{target: 1, until: 0.5}", "2:29 loading.until", "as {strain: 0.5} or"),
    ("{target: 1, until: {strain: -1}}", "2:38 loading.until.strain", "must be positive, not -1"),
    ("{target: 1, until: {srain: 1}}", "2:30 loading.until.srain", "did you mean 'strain'?"),
    ("{cycle: [0.1, -0.1]}", "2:10 loading.cycles", "is required; write cycles: 100"),
    ("{cycle: 0.1, cycles: 3}", "2:18 loading.cycle", "must be a list, not 0.1"),
    ("{cycle: [0.1, -0.1], cycles: 3}", "2:18 loading.cycle", "need yielding: {sides: two, land"),
    ("{target: 1, cycles: 3}", "2:22 loading.cycles", "(cycles goes with cycle: [0.03, -0.03]"),
    ("[{target: 1, cycles: 3}]", "2:23 loading[0].cycles", "(cycles goes with cycle: [0.03, -0."),
    ("{cycle: [1, -1], cycles: 3, target: 1}", "2:38 loading.target", "not go with cycle; leave"),
    ("{target: 1, stiffness: 3}", "2:22 loading.stiffness", "goes with control: machine"),
    (
        "{control: machine, stiffness: 100, target: 0.3}", "2:40 loading.stiffness",
        "must be less than 2 shear_modulus, which is 29.4",
    ),
    ("{target: 1, speed: 3}", "2:22 loading.speed", "here that is loading.rate, with clock: {"),
    ("[{repeat: 2}]", "2:11 loading[0].segments", "write segments: [{target: 0.1}, {target: 0}]"),
    ("[0.1, -0.1]", "2:16 loading[1]", "write {target: -0.1}, or {control: stress"),
    ("[{target: 1}, {target: x}]", "2:33 loading[1].target", "must be a number, not 'x'"),
    ("[{target: 1}, {tarqet: 2}]", "2:25 loading[1].tarqet", "did you mean 'target'?"),
    ("[{target: 1}, {tarqet: 2}]", "2:24 loading[1].target", "is required; write target: 1.0"),
    (
        "[{repeat: 2, segments: [{target: 1}, {until: {strian: 1}, target: 2}]}]",
        "2:56 loading[0].segments[1].until.strian", "did you mean 'strain'?",
    ),
    ("[{repeat: 0, segments: []}]", "2:20 loading[0].repeat", "must be at least 1, not 0"),
]  # fmt: skip

OTHERS = [
    # near misses
    ("slip: {co: 0.05}", "3:8 slip.co", "did you mean 'c0'?"),
    ("slip: {cl: 0.05}", "3:8 slip.cl", "did you mean 'c1'?"),
    ("slip: {C0: 0.05}", "3:8 slip.C0", "did you mean 'c0'?"),
    ("Seed: 1", "3:1 Seed", "did you mean 'seed'?"),
    ("sede: 1", "3:1 sede", "did you mean 'seed'?"),
    ("elasticity: {shear-modulus: 19}", "3:14 elasticity.shear-modulus", "'shear_modulus'?"),
    ("elasticity: {shearModulus: 19}", "3:14 elasticity.shearModulus", "'shear_modulus'?"),
    ("engine: Direct", "3:9 engine", "did you mean 'direct'?"),
    ("yielding: {sides: 2}", "3:19 yielding.sides", "did you mean 'two'?"),
    ("thresholds: {initial: gq}", "3:23 thresholds.initial", "did you mean 'GQ'?"),
    ("thresholds: {initial: HTL}", "3:23 thresholds.initial", "or write {distribution: weibull, m"),
    (
        "thresholds: {initial: my.npy}", "3:23 thresholds.initial",
        "; write {distribution: samples, file: my.npy} or {distribution: field, file: my.npy}",
    ),
    ("kernel: {type: eshelby}", "3:16 kernel.type", "did you mean 'continuum'?"),
    ("kernel: Eshelby", "3:9 kernel", "write kernel: {type: continuum}"),
    ("kernel: quadrupolar", "3:9 kernel", "write kernel: {type: continuum}"),
    ("kernel: mean-field", "3:9 kernel", "write kernel: {type: uniform}"),
    ("thresholds: {renewal: gamma}", "3:23 thresholds.renewal", "write {distribution: gamma, mean"),
    ("thresholds: {initial: {distribution: weibul}}", "3:23 thresholds.initial", "'weibull'?"),
    ("regions: [{center: [1, 1]}]", "3:12 regions[0].center", "here that is centre"),
    # keys that belong elsewhere
    ("shear_modulus: 19", "3:1 shear_modulus", "it belongs under elasticity"),
    ("slip: {shear_modulus: 19}", "3:8 slip.shear_modulus", "it belongs under elasticity"),
    ("c0: 0.1", "3:1 c0", "it belongs under slip"),
    ("directory: runs/a", "3:1 directory", "it belongs under output"),
    ("fields: {every: 0.1}", "3:1 fields", "it belongs under output"),
    ("every: 0.1", "3:1 every", "under checkpoint, output.observables or output.fields"),
    ("output: {every: 0.1}", "3:10 output.every", "under output.observables or output.fields"),
    ("output: {seed: 1}", "3:10 output.seed", "belongs under no section: begin it in the first"),
    ("std: 0.1", "3:1 std", "it belongs under initial_stress, thresholds.initial or"),
    ("shear_modulu: 19", "3:1 shear_modulu", "'shear_modulus', which belongs under elasticity?"),
    ("slip.c0: 0.1", "3:1 slip.c0", "write slip: {c0: …}"),
    ("mu: 19", "3:1 mu", "here that is elasticity.shear_modulus"),
    ("elasticity: {mu: 19}", "3:14 elasticity.mu", "here that is shear_modulus"),
    (
        "elasticity: {E: 50, nu: 0.3}", "3:14 elasticity.E",
        "write elasticity: {shear_modulus: 19.2308, bulk_modulus: 48.0769}, from μ = E/2(1+ν)",
    ),
    ("threads: 2", "3:1 threads", "mpiexec -n, on the command line"),
    ("nonsense: 2", "3:1 nonsense", "known here: lattice, elasticity, kernel"),
    ("strain_rate: 1e-3", "3:1 strain_rate", "here that is loading.rate, with clock: {"),
    ("duration: 1e3", "3:1 duration", "time needs clock: {type: thermal, temperature: 0.05}; then"),
    ("temperature: 1", "3:1 temperature", "here that is clock: {type: thermal, temperature: 0.05}"),
    # values that do not fit others are told where they stand
    ("output: {fields: {names: [well]}}", "3:26 output.fields.names", "needs yielding.landscape:"),
    ("kernel: {type: shuffled}\nengine: lazy", "4:9 engine", "write engine: direct, or auto"),
    (
        "kernel: {type: none}\ninitial_stress: {std: 0.1}",
        "4:23 initial_stress.std",
        "no stress is in equilibrium; write std: 0",
    ),
    ("output: {observables: {every: 1e-12}}", "3:31 output.observables.every", "more than 10,000"),
    # lists and mappings where neither is expected
    ("output: {fields: [sigma]}", "3:18 output.fields", "write fields: {names: [sigma]}"),
    ("output: {observables: [stress]}", "3:23 output.observables", "its keys are every, of"),
    ("output: {fields: {of: [strain]}}", "3:23 output.fields.of", "must be 'strain', 'stress', "),
    ("seed: {a: [1]}", "3:7 seed", "must be a whole number, not a mapping"),
    # one value for a section
    ("thresholds: GQ", "3:13 thresholds", "write thresholds: {initial: GQ}"),
    ("slip: exponential", "3:7 slip", "write slip: {distribution: exponential}"),
    ("kernel: none", "3:9 kernel", "write kernel: {type: none}"),
    ("yielding: quenched", "3:11 yielding", "write yielding: {landscape: quenched}"),
    ("output: runs/a", "3:9 output", "write output: {directory: runs/a}"),
    ("checkpoint: 30 min", "3:13 checkpoint", "write checkpoint: {every: 30 min}"),
    ("initial_stress: 0.1", "3:17 initial_stress", "write initial_stress: {std: 0.1}"),
    ("elasticity: 14.7", "3:13 elasticity", "write elasticity: {shear_modulus: 14.7}"),
    ("output: {fields: true}", "3:18 output.fields", "its keys are every, of, per_decade, from"),
    ("regions: {shape: disc}", "3:10 regions", "write it in brackets, as [{…}, {…}]"),
    # on, yes, off, none, nothing
    ("output: {avalanches: on}", "3:22 output.avalanches", "must be true or false, not 'on'; "),
    ("output: {avalanches: yes}", "3:22 output.avalanches", "write true"),
    ("output: {avalanches: off}", "3:22 output.avalanches", "write false"),
    ("output: {avalanches: 'true'}", "3:22 output.avalanches", "write true"),
    ("output: {avalanches: 0}", "3:22 output.avalanches", "write false"),
    ("output: {avalanches:}", "3:21 output.avalanches", "must be true or false, not nothing"),
    ("output: {fields: none}", "3:18 output.fields", "leave it out for none"),
    ("regions: none", "3:10 regions", "leave it out for none"),
    ("engine: none", "3:9 engine", "leave the key out for its default"),
    ("ranks_per_realization: none", "3:24 ranks", "must be 'auto' or a whole number, not 'none'"),
    ("ranks_per_realization: 0", "3:24 ranks", "must be 'auto' or at least 1, not 0"),
    ("seed:", "3:6 seed", "has no value; give one, or leave the key out"),
    ("slip:", "3:6 slip", "has no value; write its keys below it, indented, or leave the key out"),
    # numbers as people, Fortran and LaTeX write them
    ("seed: '1'", "3:7 seed", "write 1, without quotes"),
    ("seed: 1,", "3:7 seed", "write 1, without ','"),
    ("seed: 1 // note", "3:7 seed", "write 1; a comment begins with a space and #"),
    ("seed: 1# note", "3:7 seed", "a comment begins with a space and #"),
    ("seed: 1_000", "3:7 seed", "write 1000"),
    ("seed: [1]", "3:7 seed", "write 1, without brackets"),
    ("seed: true", "3:7 seed", "must be a whole number, not true"),
    ("seed: -1", "3:7 seed", "must be 0 or more, not -1"),
    ("realizations: 1e2", "3:15 realizations", "must be a whole number, not 100.0; write 100"),
    ("realizations: 0", "3:15 realizations", "must be at least 1, not 0"),
    ("initial_stress: {std: '1e-3'}", "3:23 initial_stress.std", "write 1e-3, without quotes"),
    ("initial_stress: {std: 1d-3}", "3:23 initial_stress.std", "write 1e-3"),
    ("initial_stress: {std: 10^-3}", "3:23 initial_stress.std", "write 1e-3"),
    ("initial_stress: {std: 1.5×10^-3}", "3:23 initial_stress.std", "write 1.5e-3"),
    ("initial_stress: {std: 1/8}", "3:23 initial_stress.std", "write 0.125"),
    ("elasticity: {shear_modulus: 14.7 GPa}", "3:29 elasticity", "write 14.7, without a unit"),
    ("elasticity: {shear_modulus: -19}", "3:29 elasticity.shear_modulus", "must be positive, not"),
    ("elasticity: {shear_modulus: .nan}", "3:29 elasticity", "must be a finite number, not nan"),
    ("output: {observables: {every: 0}}", "3:31 output.observables", "must be positive, not 0"),
    ("yielding: {memory: 2}", "3:20 yielding.memory", "must be at most 1, not 2"),
    # times, names, lists
    ("checkpoint: {every: 30}", "3:21 checkpoint.every", "30 of what? write '30 s' or '30 min'"),
    ("checkpoint: {every: 12:00:00}", "3:21 checkpoint.every", "write a time as '90 s', '30 min'"),
    ("stall: never", "3:8 stall", "write a time as '90 s', '30 min', '2 h' or '1 d', not 'never'"),
    ("stall: 600", "3:8 stall", "600 of what? write '600 s'"),
    ("output: {directory: 5}", "3:21 output.directory", "write '5', in quotes"),
    ("output: {directory: ''}", "3:21 output.directory", "must not be empty"),
    ("output: {fields: {names: sigma}}", "3:26 output.fields.names", "write [sigma]"),
    ("output: {fields: {names: 'sigma, well'}}", "3:26 output.fields.names", "write [sigma, well]"),
    ("output: {fields: {names: [sigma well]}}", "3:27 output.fields.names[0]", "[sigma, well]"),
    ("output: {fields: {names: []}}", "3:26 output.fields.names", "has 0 items; write 1"),
    ("output: {fields: {names: [sgima]}}", "3:27 output.fields.names[0]", "did you mean 'sigma'?"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "place", "remedy"), OF_LATTICE)
def test_a_wrong_lattice(tmp_path: Path, shape: str, place: str, remedy: str) -> None:
    assert_said(problems_of(tmp_path, f"lattice: {{shape: {shape}}}\n{LOADING}"), place, remedy)


@pytest.mark.parametrize(("loading", "place", "remedy"), OF_LOADING)
def test_a_wrong_loading(tmp_path: Path, loading: str, place: str, remedy: str) -> None:
    text = f"{LATTICE}loading: {loading}".rstrip() + "\n"
    assert_said(problems_of(tmp_path, text), place, remedy)


@pytest.mark.parametrize(("more", "place", "remedy"), OTHERS)
def test_a_wrong_key_or_value(tmp_path: Path, more: str, place: str, remedy: str) -> None:
    assert_said(problems_of(tmp_path, f"{MINIMAL}{more}\n"), place, remedy)


def test_whole_inputs_that_lack_something(tmp_path: Path) -> None:
    for text, place, remedy in [
        ("lattice: 64\n" + LOADING, "1:10 lattice", "write lattice: {shape: [256, 256]}"),
        ("lattice: [64, 64]\n" + LOADING, "1:10 lattice", "write lattice: {shape: [64, 64]}"),
        ("lattice:\nshape: [8, 8]\n" + LOADING, "2:1 shape", "it belongs under lattice"),
        ("lattice: {N: 64}\n" + LOADING, "1:11 lattice.N", "here that is shape"),
        ("seed: 1\n", "1:1 lattice", "is required; write lattice: {shape: [256, 256]}"),
        ("seed: 1\n", "1:1 loading", "is required; write loading: {target: 1.0}"),
    ]:
        assert_said(problems_of(tmp_path, text), place, remedy)


ODD: tuple[Any, ...] = (
    [], [[]], [None], ["x"], [["x"]], [{"a": [1]}], {}, {"a": 1}, {"a": {"b": [1]}}, {"of": ["x"]},
    {"distribution": ["x"]}, {"type": {}}, {"control": {"a": [1]}}, {"target": {"a": [1]}},
    {"cycle": [[1]], "cycles": [1]}, [{"repeat": 2, "segments": {"a": 1}}], {"until": ["x"]},
    [{"shape": "disc", "centre": [["x"]], "size": {"a": 1}, "thresholds": {"draw": ["x"]}}],
)  # fmt: skip


def _nested(key: str, value: Any) -> Any:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_any_value_of_any_key_is_taken_or_told() -> None:
    told = 0
    for key, value in product(all_keys(), ODD):
        try:
            read_mapping({"lattice": {"shape": [8, 6]}, "loading": {}}, _nested(key, value))
        except InputError as error:
            told += all(map(is_in_plain_words, error.problems))
    assert told > 1000


def test_a_time_is_written_again_with_its_unit(tmp_path: Path) -> None:
    text = f"{MINIMAL}checkpoint: {{every: 0.3 s}}\nstall: 0\n"
    settings = read(tmp_path, text).settings
    assert (settings.checkpoint.every, settings.stall) == (0.3, 0.0)
    again = json.loads(settings.model_dump_json(exclude_none=True))
    assert (again["checkpoint"]["every"], again["stall"]) == ("0.3 s", "0 s")
    assert read_mapping(again, {}).settings == settings

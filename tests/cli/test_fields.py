"""``output.fields``: at which strains, and of how many bytes a number."""

import json
from pathlib import Path

import pytest

from hpcepm.identity import Identity
from hpcepm.input.plugins import resolved
from hpcepm.run.changes import differences
from hpcepm.run.salvage import written
from hpcepm.run.save_points import plan_of
from tests.cli.test_input import MINIMAL, problems, read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "output: {fields: {every:}}", "fields.every: give it, or the strains, as in"),
        (MINIMAL + "output: {fields: {at: 0.1}}", "output.fields.at: must be a list"),
        (MINIMAL + "output: {fields: {at: [0.1, 0.1]}}", "at: each strain can be listed once"),
        (
            MINIMAL + "output: {fields: {at: [0.2]}}",
            ":3:23: output.fields.at: 0.2 is never reached",
        ),
        (MINIMAL + "output: {fields: {at: [0.1], of: stress}}", "these are strains; leave out of"),
        (MINIMAL + "output: {fields: {dtype: float16}}", "dtype: must be 'float64' or 'float32'"),
        (
            MINIMAL + "output: {fields: {compression: gzip}}",
            "output.fields.compression: ranks write fields where they lie; pack",
        ),
        (
            MINIMAL.replace("target", "control: stress, target") + "output: {fields: {at: [0.1]}}",
            "output.fields.at: is for loadings of strain without rules",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in line for line in problems(tmp_path, text))


@pytest.mark.parametrize(
    ("fields", "loading", "strains"),
    [
        ("at: [0.07, 0.03]", "{target: 0.1}", (0.03, 0.07)),
        ("at: [0, 0.1]", "{target: 0.1}", (0.0, 0.1)),
        ("at: [0.07, 0.05000000001], every: 0.05", "{target: 0.1}", (0.0, 0.05, 0.07, 0.1)),
        ("at: [-0.02]", "[{target: -0.1}]", (-0.02,)),
        ("at: [0.02]", "[{target: 0.03}, {target: -0.01}]", (0.02, 0.02)),
        ("at: [0.03, -0.01]", "[{target: 0.03}, {target: -0.01}]", (0.03, -0.01)),
    ],
)
def test_a_map_is_taken_each_time_the_load_comes_to_a_strain(
    tmp_path: Path, fields: str, loading: str, strains: tuple[float, ...]
) -> None:
    text = f"lattice: {{shape: [8, 6]}}\nloading: {loading}\noutput: {{fields: {{{fields}}}}}\n"
    plan = plan_of(read(tmp_path, text).settings)
    assert plan.snapshots == strains
    assert plan.records[-1] == float(loading.rstrip("}]").rpartition(" ")[2])


def test_a_run_begun_before_there_were_these_keys_goes_on(tmp_path: Path) -> None:
    ours = json.loads(resolved(read(tmp_path, MINIMAL + "output: {fields: {every: 0.05}}")))
    before = json.loads(json.dumps(ours))
    del before["output"]["fields"]["at"], before["output"]["fields"]["dtype"]
    identity = Identity("0" * 32, "2026", before, [])
    assert list(differences(written(identity), ours, ())) == []
    before["output"]["fields"]["every"] = 0.1
    (told,) = differences(written(identity), ours, ())
    assert told == "output.fields.every: was 0.1, is now 0.05"

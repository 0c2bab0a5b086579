"""Inputs by hypothesis: each is a run that stops in time, or is refused with 2 and a message.

Never a traceback, never slow.
"""

import contextlib
import io
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hpcepm.cli import main
from hpcepm.faults import STOPPED
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from tests.cli.said import is_in_plain_words
from tests.conftest import Count

INPUTS = [
    path.read_text() for path in sorted((Path(__file__).parents[2] / "inputs").glob("*.yaml"))
]
WHOLE = """\
lattice:      {shape: [16, 12]}
elasticity:   {shear_modulus: 14.7, bulk_modulus: 52.0}
kernel:       {type: continuum, orientation: simple}
thresholds:   {initial: {distribution: weibull, mean: 1.0, std: 0.4}, renewal: MCT}
slip:         {distribution: exponential, c0: 0.0276, c1: 0.0206}
initial_stress: {std: 0.1}
loading:      {control: strain, target: 0.05}
engine:       auto
seed:         1
realizations: 1
output:
  observables: {every: 0.01}
  fields:      {every: 0.05, names: [sigma, epsilon_p]}
  avalanches:  true
checkpoint:   {every: 30 min, keep: 2}
"""
NASTY = [
    "", "null", "~", "yes", "on", "-1", "0", "1", "2", "3", "010", "0x10", "1e-3", "1e400",
    "-1e400", ".nan", ".inf",
    "-.inf", "18446744073709551616", "99999999999999999999999999", "1" * 5000, "12:00:00",
    "2001-01-01", "''",
    "\"\\0\"", "\t", "\x00", "\x1b[2J", "[", "]", "{", "}", "[[[[[[[[", "[16]", "[16, 16, 16]",
    "[1, 1]", "{a: b}",
    "- -", "?", ":", ": :", "&a", "*a", "&a [*a]", "<<: *a",
    "!!python/object/apply:os.system [ls]", "!!binary aGk=",
    "!include /etc/passwd", "%YAML 9.9", "---", "...", "#", "|", ">", "@", "`", "MCT", "GQ",
    "weibull",
    "{distribution: weibull}", "{distribution: normal, mean: 1, std: 1e300}",
    "{distribution: constant, value: 0}",
    "{distribution: samples, file: /dev/zero}", "{distribution: samples, file: ../../x.csv}",
    "{distribution: field, file: 'x.h5:/y'}", "direct", "lazy", "spectral", "\xe9", "\u202e",
    "\ud7ff", "\U0001d518",
    "../../../etc", "a" * 300, "output:", "seed: 1", "lattice:",
]  # fmt: skip


@st.composite
def inputs(draw: st.DrawFn) -> str:
    """Return an input with a few things changed: a value, a line, or some characters."""
    text = draw(st.sampled_from([WHOLE, *INPUTS]))
    for _ in range(draw(st.integers(1, 4))):
        token = draw(
            st.one_of(
                st.sampled_from(NASTY),
                st.text(max_size=12),
                st.floats().map(repr),
                st.integers().map(str),
            )
        )
        lines = text.split("\n")
        k = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.integers(0, 5))
        if kind == 0:  # another value
            key, colon, _ = lines[k].partition(":")
            lines[k] = f"{key}{colon} {token}"
        elif kind == 1:
            lines.insert(k, token)
        elif kind == 2:
            del lines[k]
        elif kind == 3:
            lines[k] = "  " + lines[k]
        text = "\n".join(lines)
        if kind >= 4:
            a = draw(st.integers(0, len(text)))
            text = text[:a] + token + text[a + (draw(st.integers(0, 8)) if kind == 5 else 0) :]
    return text


@pytest.mark.alone
def test_inputs_changed_at_random(
    tmp_path: Path, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    valid = 0

    @settings(
        max_examples=count.of("fuzzed input: refused with 2, or run", few=300, many=5000),
        deadline=None,
        derandomize=not count.long,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(inputs())
    def refuse_or_run(text: str) -> None:
        nonlocal valid
        path = tmp_path / "input.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        valid += run_it(path, tmp_path / "run")
        count.done()

    # Once without a clock: what is compiled or imported at first use takes its time once.
    (tmp_path / "first.yaml").write_text(WHOLE)
    run_it(tmp_path / "first.yaml", tmp_path / "run", seconds=120)
    refuse_or_run()
    assert valid > 10, "hardly any input was valid"


def run_it(path: Path, directory: Path, seconds: float = 2.0) -> bool:
    """Run an input through the command line, if it is valid for so long as to begin.

    Return whether it was valid.
    """
    began = time.monotonic()
    try:
        read = read_input(str(path), [], str(directory))
    except InputError as error:
        for line in error.problems:
            assert is_in_plain_words(line.replace(f"{path.parent}/", "")), line
    else:
        nx, ny = read.settings.lattice.shape
        if nx * ny > 64**2:  # valid; to prepare it would take long for no fault of its own
            return True
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        # A wall time that is over already: a valid run stops at its first pause.
        code = main([str(path), "--output", str(directory), "--max-walltime", "0.001", "--quiet"])
    assert time.monotonic() - began < seconds, "too slow"
    assert "Traceback" not in err.getvalue()
    if code == 2:
        assert err.getvalue().strip() and not directory.exists()
        return False
    assert code in (0, STOPPED), err.getvalue()
    shutil.rmtree(directory)
    return True

"""Slips of the pen in YAML: each is told where it is, in words of the trade, with a remedy."""

from pathlib import Path

import pytest

from hpcepm.input.read import read_input
from tests.cli.said import LATTICE, LOADING, MINIMAL, assert_said, problems_of

SLIPS = [
    # tabs
    ("\tlattice: 1\n", "1:1", "indent by spaces, not tabs"),
    ("lattice:\n\tshape: [8, 6]\n" + LOADING, "2:1", "indent by spaces, not tabs"),
    ("seed:\t1\n", "1:6", "a tab; write spaces"),
    # a colon, or the space after it
    (LATTICE + "seed 1\n" + LOADING, "2:1", "':' is missing after 'seed'; write seed: 1"),
    (MINIMAL + "seed 1\n", "3:1", "':' is missing after 'seed'; write seed: 1"),
    (LATTICE + "seed:1\n" + LOADING, "2:1", "a space is missing after ':'; write seed: 1"),
    ("seed:1\n" + MINIMAL, "1:1", "a space is missing after ':'; write seed: 1"),
    (LATTICE + "loading: {target:0.05}\n", "2:11 loading.target:0.05", "a space is missing"),
    (LATTICE + "loading:\n  target:0.05\n", "3:3 loading", "after ':'; write target: 0.05"),
    (LATTICE + "loading: {target 0.05}\n", "2:11", "after 'target'; write target: 0.05"),
    ("lattice: {shape [8, 6]}\n", "1:17", "':' is missing after 'shape'; write shape: ["),
    (MINIMAL + "seed = 1\n", "3:1", "write ':' instead of '=', as seed: 1"),
    ("seed = 1\n", "1:1", "write ':' instead of '=', as seed: 1"),
    ("output: directory: runs/a\n", "1:18", "write output: {directory: …}, or two lines"),
    ("lattice: shape: [64, 64]\n", "1:15", "a second ':' in one line"),
    # brackets, commas, quotation marks
    ("lattice: {shape: [8, 6}\n", "1:23", "'[' of 1:18 is not closed: ']' is missing before '}'"),
    ("lattice: {shape: [8, 6]\n" + LOADING, "2:1", "'}' is missing at the end of line 1"),
    ("lattice: {shape: [8, 6]\n", "1:10", "'{' is never closed; add '}'"),
    ("lattice: {shape: [8, 6]]}\n", "1:24", "']' closes nothing: there is one too many"),
    ("lattice: {shape: [8, 6]}}\n", "1:25", "'}' closes nothing: there is one too many"),
    ("lattice: ]\n", "1:10", "']' closes nothing, or a value is missing before it"),
    ("slip: {c0: 1 c1: 2}\n", "1:16", "',' is missing before 'c1'"),
    ("slip: {c0: 1,, c1: 2}\n", "1:14", "a value is missing before ','"),
    ("output: {directory: 'runs}\n", "1:21", "the quotation mark ' is not closed; add another '"),
    ('output: {directory: "runs}\n', "1:21", 'the quotation mark " is not closed'),
    ("output:\n  directory: 'it's'\n", "2:18", "within '…' write '' for one"),
    ('output: {directory: "C:\\data"}\n', "1:25", "write / instead, or '…'"),
    ('output: {directory: "\\U00110000"}\n', "not YAML", "a backslash begins a code"),
    # indentation, lists, symbols
    (LATTICE + "  seed: 1\n", "2:3", "keys of one section, or items of one list, begin in one"),
    ("lattice:\n  shape: [8, 6]\n loading: 1\n", "3:2", "the indentation fits no line above"),
    ("seed: 1\n  engine: auto\n", "2:9", "deeper than 'seed' above, which has a value already"),
    ("[lattice]\nshape = 1\n", "2:1", "all sections begin in the first column"),
    ("loading:\n- {target: 1}\n-{target: 2}\n", "3:1", "after '-'; write - {target"),
    ("loading:\n- 1\n-2\n", "3:1", "a space is missing after '-'"),
    ("loading: - 1\n", "1:10", "write a list as [a, b]"),
    ("seed: @b\n", "1:7", "no value begins with @; write it between '"),
    ("seed: %b\n", "1:7", "no value begins with %"),
    ("seed: | 1\n", "1:9", "'|' and '>' are of no use in an input"),
    ("seed: *\n", "1:8", "write the value out"),
    ("%YAML 9.9\nseed: 1\n", "1:1", "leave out the line that begins with %"),
    ("seed: 1\n---\nseed: 2\n", "2:1", "a second document begins here; an input is one"),
    # characters that look like others
    ("lattice:\n\xa0 shape: [8, 6]\n", "2:1", "U+00A0 (no-break space) stands here; write a plain"),
    ("seed: \xa01\n", "1:7 seed", "U+00A0 (no-break space)"),
    ("seed: 1\u200b\n", "1:8 seed", "U+200B (zero width space) stands here, which cannot be seen"),
    (
        "output: {directory: \u201cruns/x\u201d}\n", "1:21 output.directory",
        "U+201C (left double quotation mark) stands here; write a plain ' or \"",
    ),
    ("lattice\uff1a {shape: [4, 4]}\nseed: 1\n", "1:8", "U+FF1A (fullwidth colon) stands here"),
    ("seed: \x07\n", "1:7", "the character U+0007 stands here, which cannot be seen; remove it"),
    (b"seed: \xff\n", "1", "is not UTF-8 (byte 0xff); save it as UTF-8"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file", "no input; to see a run: hpcepm plot RUNDIR"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "remedy"), SLIPS)
def test_a_slip_in_yaml(tmp_path: Path, text: str | bytes, place: str, remedy: str) -> None:
    lines = problems_of(tmp_path, text)
    if not place[0].isdigit():
        assert lines[0].startswith(f"in.yaml: {place}") and remedy in lines[0], lines
        return
    assert_said(lines, place, remedy)


def test_a_slip_of_an_option_names_the_option(tmp_path: Path) -> None:
    for option, remedy in {
        "seed=[1": "'[' is never closed",
        "seed=1\u200b": "U+200B",
        "output.directory=\u201cx\u201d": "U+201C",
        "loading={target:1}": "a space is missing after ':'",
    }.items():
        (*_, line) = problems_of(tmp_path, MINIMAL, option)
        assert line.startswith(f"--set {option[:6]}") and remedy in line, line


def test_set_names_what_is_not_in_a_list(tmp_path: Path) -> None:
    one, two = "[{control: stress, target: 1}]", "[{target: 1}, {target: 0}]"
    for loading, option, items, whole in [
        (one, "lattice.shape.2=5", "lattice.shape.0 to lattice.shape.1", "lattice.shape=[8, 6]"),
        (one, "loading.target=0.3", "loading.0", "loading=[{control: stress, target: 0.3}]"),
        (two, "loading.2.target=0.3", "loading.0 to loading.1", f"loading={two}"),
        (two, "loading.target=0.3", "loading.0 to loading.1", f"loading={two}"),
        (two, "loading.-1.target=0.3", "loading.0 to loading.1", f"loading={two}"),
    ]:
        (line,) = problems_of(tmp_path, f"{LATTICE}loading: {loading}\n", option)
        key = whole.partition("=")[0]
        said = f"{key} is a list; name an item, {items}, or set all of it, as --set '{whole}'"
        assert line == f"--set {option}: {said}"


def test_set_reaches_into_a_list(tmp_path: Path) -> None:
    path = tmp_path / "input.yaml"
    path.write_text(f"{LATTICE}loading: [{{target: 1}}, {{target: 0}}]\n")
    options = ["lattice.shape.1=8", "loading[0].target=0.3", "loading.1={target: 0.1}"]
    settings = read_input(str(path), options).settings
    assert tuple(settings.lattice.shape) == (8, 8)
    assert [part.target for part in settings.loading.parts] == [0.3, 0.1]
    (line,) = problems_of(tmp_path, path.read_text(), "loading.1.target=high")
    assert line.startswith("--set loading.1.target=high: loading[1].target: "), line

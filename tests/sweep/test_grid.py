"""What is typed after hpcepm sweep INPUT: values, combinations, names."""

from pathlib import Path

import pytest

from hpcepm.input.problems import InputError
from hpcepm.sweep.grid import axis_of, points_of
from hpcepm.sweep.plan import read_all, sweep_of


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("seed=1..4", ["1", "2", "3", "4"]),
        ("loading.rate=1e-5:1e-2:4:log", ["1.0e-05", "0.0001", "0.001", "0.01"]),
        ("x=100:1:3:log", ["100", "10", "1"]),
        ("loading.target=-1..1", ["-1", "0", "1"]),
        ("slip.c0=0.02:0.08:4", ["0.02", "0.04", "0.06", "0.08"]),
        ("x=1e-3:-1e-3:3", ["0.001", "0", "-0.001"]),
        ("thresholds.renewal=MCT,GQ", ["MCT", "GQ"]),
        ("lattice.shape=[8, 8],[16, 8]", ["[8, 8]", "[16, 8]"]),
        ("x={a: 1, b: 2},{a: 2, b: 3}", ["{a: 1, b: 2}", "{a: 2, b: 3}"]),
        ("""x='a,b',"c,d" """, ["'a,b'", '"c,d"']),
        ("x=../a.csv:2,../b.csv:2", ["../a.csv:2", "../b.csv:2"]),
        ("checkpoint.every=1 h", ["1 h"]),
    ],
)
def test_values(word: str, values: list[str]) -> None:
    assert list(axis_of(word).values) == values


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("seed", "write key.path=values"),
        ("=1", "write key.path=values"),
        ("seed=", "write key.path=values"),
        ("seed=8..1", "the lower end first"),
        ("seed=1..99999999", "at most 10000"),
        ("seed=1..", "is no range"),
        ("x=0:1:3:log", "the ends of log must be above 0"),
        ("x=1:2:log", "is no range"),
        ("seed=1..x", "is no range"),
        ("seed=0.5..1", "is no range"),
        ("c=0:1", "is no range"),
        ("c=0:1:2:3", "is no range"),
        ("c=0:1:1", "from:to:number"),
        ("c=1:1:3", "from:to:number"),
        ("c=1,,2", "empty value"),
        ("c=1,2,1", "has 1 twice"),
    ],
)
def test_what_says_no_values(word: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        axis_of(word)


def test_all_combinations_have_readable_names_of_their_own() -> None:
    words = ["seed=1..2", "thresholds.initial=ESL,GQ", "slip.c0=0.1,-0.2"]
    points = points_of([axis_of(word) for word in words])
    assert [point.number for point in points] == list(range(1, 9))
    assert points[0].name == "seed=1_initial=ESL_c0=0.1"
    assert points[-1].name == "seed=2_initial=GQ_c0=-0.2"
    assert points[-1].assignments == ["seed=2", "thresholds.initial=GQ", "slip.c0=-0.2"]
    odd = points_of([axis_of("a.x=../p q,../p/q"), axis_of("b.x=[1, 2],7")])
    assert [point.name for point in odd] == [
        "a.x=..-p-q_b.x=1-2_1",
        "a.x=..-p-q_b.x=7_2",
        "a.x=..-p-q_b.x=1-2_3",
        "a.x=..-p-q_b.x=7_4",
    ]


def test_no_name_leaves_the_folder() -> None:
    for word in ("a=..", "a=../../etc", "a=/etc/passwd", "a=\x1b[2J"):
        (point,) = points_of([axis_of(word)])
        assert "/" not in point.name and point.name not in (".", "..") and point.name.isascii()
        assert point.name.isprintable()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("seed=1,0x1", "seed=1 and seed=0x1"),
        ("loading.target=0.02,2e-2,0.03", "target=0.02 and target=2e-2"),
        ("output.directory=a,b", "directory=a and directory=b"),
    ],
)
def test_one_point_under_two_names(tmp_path: Path, word: str, told: str) -> None:
    (tmp_path / "input.yaml").write_text("lattice: {shape: [8, 8]}\nloading: {target: 0.1}\n")
    sweep, problems = sweep_of(str(tmp_path / "input.yaml"), [word], str(tmp_path / "sw"), [])
    with pytest.raises(InputError, match=f"{told} are one point: leave one out"):
        read_all(sweep, [], sweep.points, problems)


def test_a_key_twice_and_too_many() -> None:
    with pytest.raises(InputError, match=r"loading.0.hold: is there twice"):
        points_of([axis_of("loading.0.hold=1,2"), axis_of("loading[0].hold=3,4")])
    with pytest.raises(InputError, match="is there twice"):
        points_of([axis_of("seed=1..2"), axis_of("seed=3..4")])
    with pytest.raises(InputError, match="1000000 points; a sweep has at most 10000"):
        points_of([axis_of("seed=1..1000"), axis_of("x=1..1000")])

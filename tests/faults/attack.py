"""Change the files of a run, one after the other, and look at what is made of it.

    python -m tests.faults.attack forged|damaged FOLDER FIRST STEP [SECONDS]

FOLDER has a run in ``sound``, its input, and in ``whole`` the same run at its end. ``forged``: of
all forgeries of all files each STEP-th is tried, from FIRST on. ``damaged``: bytes are flipped,
cut, zeroed or doubled at random, STEP times, FIRST being the seed. Then come `verify`, `summarize`,
`hpcepm.open`, at times `plot`, and ``--continue``. No answer may be a traceback, and none of a
damaged file may differ from that of a sound one without a word. A line is written before and after
each case, so that whoever started this sees which one it died of.
"""

import contextlib
import io
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import hpcepm
from hpcepm.cli import main
from hpcepm.faults import NoRun
from tests.conftest import datasets
from tests.faults.forge import forged, forgeries, outside

PLOT_EACH = 50
Case = tuple[Path, str, bytes]
Answer = tuple[int | None, str]


def _forged(sound: Path, first: int, step: int) -> Iterator[Case]:
    files = sorted(path for path in sound.rglob("*.h5"))
    images = {path: path.read_bytes() for path in files}
    every = [(path, forgery) for path in files for forgery in forgeries(images[path])]
    for path, (name, change) in every[first::step]:
        content = forged(images[path], change)
        if content is not None:
            yield path.relative_to(sound), name, content


def _damaged(sound: Path, seed: int, n: int) -> Iterator[Case]:
    files = sorted(path for path in sound.rglob("*") if path.is_file())
    chance = random.Random(seed)
    for _ in range(n):
        path = chance.choice(files)
        content = bytearray(path.read_bytes())
        k, size = chance.randrange(len(content)), chance.choice([1, 100, 4096])
        way = chance.choice(["flipped", "flipped", "cut", "zeroed", "doubled"])
        if way == "flipped":
            content[k] ^= 1 << chance.randrange(8)
        elif way == "cut":
            del content[k:]
        elif way == "zeroed":
            content[k : k + size] = bytes(len(content[k : k + size]))
        else:
            content[k:k] = content[k : k + size]
        yield path.relative_to(sound), f"{way} at {k}", bytes(content)


def _open() -> int:
    try:
        with hpcepm.open("run") as tree:
            print(tree["observables"].to_dataset().load().to_dict())
    except NoRun as error:
        print(error)
        return 2
    return 0


ASKED: dict[str, Callable[[], int]] = {
    "verify": lambda: main(["verify", "run"]),
    "summarize": lambda: main(["summarize", "run"]),
    "open": _open,
    "plot": lambda: main(["plot", "run"]),
    "continue": lambda: main(["input.yaml", "--continue", "--quiet"]),
}


def _answer(do: Callable[[], int]) -> Answer:
    """Return the exit code and all that is said; no code if it is a traceback."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = do()
    except BaseException:
        return None, traceback.format_exc()[-1500:]
    return code, out.getvalue() + err.getvalue()


def _begin_with(path: Path | None, content: bytes) -> None:
    shutil.rmtree("run", ignore_errors=True)
    shutil.copytree("sound", "run")
    if path is not None:
        (Path("run") / path).write_bytes(content)


def _wrong(what: str, answer: Answer, sound: Answer | None) -> str | None:
    """Say what is wrong with an answer; that of the sound run is given where it must be that."""
    code, said = answer
    if code not in (0, 1, 2, 3) or "Traceback" in said or "\x1b" in said:
        return f"{what}: {code}: {said}"
    if code and not said.strip():
        return f"{what}: {code} without a word"
    if code or sound is None:
        return None
    if what != "continue" and answer != sound:
        return f"{what}: other numbers without a word: {said[-500:]}"
    if what == "continue":
        here, there = datasets(Path("run/run.h5")), datasets(Path("whole/run.h5"))
        if any(here[name].tobytes() != there[name].tobytes() for name in there):
            return "continue: other numbers in the end"
    return None


def attack(kind: str, folder: Path, first: int, step: int, seconds: float) -> None:
    """Try one case after the other, as long as there is time."""
    os.chdir(folder)
    strangers, until = outside(folder), time.monotonic() + seconds
    _begin_with(None, b"")
    sound = {what: _answer(do) for what, do in ASKED.items()}
    cases = {"forged": _forged, "damaged": _damaged}[kind](Path("sound"), first, step)
    for number, (path, name, content) in enumerate(cases):
        print(f"case {path}: {name}", flush=True)
        _begin_with(path, content)
        for what, do in ASKED.items():
            if what != "plot" or number % PLOT_EACH == 0:
                expected = sound[what] if kind == "damaged" else None
                if (wrong := _wrong(what, _answer(do), expected)) is not None:
                    print(f"wrong {wrong!r}", flush=True)
        for stranger, before in strangers.items():
            if Path(stranger).read_bytes() != before:
                print(f"wrong {stranger} was changed", flush=True)
        print("done", flush=True)
        if time.monotonic() > until:
            break
    print("end", flush=True)


if __name__ == "__main__":
    limit = float(sys.argv[5]) if len(sys.argv) > 5 else float("inf")
    attack(sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3]), int(sys.argv[4]), limit)

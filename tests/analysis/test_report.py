"""The page of a run, without a browser: what is on it, and that nothing of a run is code there."""

import base64
import json
import re
import shutil
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcepm.analysis.export.write import export
from hpcepm.analysis.report import maps as of_maps
from hpcepm.analysis.report import watch as watching
from hpcepm.analysis.report.page import SCRIPTS, page
from hpcepm.analysis.report.plain import flat, plain
from hpcepm.analysis.report.watch import report, watch
from hpcepm.cli import main
from hpcepm.faults import NoRun
from tests.conftest import end, start
from tests.faults.forge import forged

from .conftest import replace, rewritten

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u2028\u202e"


def content(path: Path) -> dict[str, Any]:
    """Return what a page holds, as its script reads it."""
    found = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text()
    )
    assert len(found) == 1
    return json.loads(found[0], parse_constant=pytest.fail)


def field_of(image: dict[str, Any], size: list[int]) -> np.ndarray:
    """Return the values of a map (x, y), as the page makes them."""
    levels = np.frombuffer(zlib.decompress(base64.b64decode(image["pixels"])), np.uint8)
    part = levels.reshape(size[1], size[0])[::-1].T / 255
    return image["low"] + part ** image["power"] * (image["high"] - image["low"])


def test_a_report_has_what_the_run_has(single: Path, tmp_path: Path) -> None:
    found = content(report(str(single), str(tmp_path / "a.html")))
    with h5py.File(single / "run.h5") as file:
        stress, sigma = file["observables/stress"][0], file["fields/sigma"][0]
        events, plastic = file["avalanches/events"][()], file["fields/epsilon_p"][0]
    (line,) = found["curves"]["lines"]
    np.testing.assert_allclose(line["values"]["stress"], stress, rtol=1e-6)
    maps = found["maps"]
    assert (maps["shape"], maps["size"], maps["block"]) == ([12, 10], [12, 10], 1)
    (series,) = maps["series"]
    np.testing.assert_allclose(series["at"], [0, 0.05, 0.1, 0.12])
    assert series["records"] == [0, 5, 10, 12]
    for name, fields, power in (("sigma", sigma, 1), ("epsilon_p", plastic, 2)):
        for image, field in zip(series["maps"][name], fields, strict=True):
            values, span = field_of(image, maps["size"]), np.ptp(field)
            assert image["power"] == power
            np.testing.assert_allclose(values, field, atol=power / 255 * span + 1e-9)
    sizes = found["avalanches"]["sizes"]["events"]
    assert sum(sizes["in_bin"]) == found["avalanches"]["count"] == events.size
    assert sizes["largest"] == events.max()
    assert found["state"] == "finished" and found["reload"] is None and not found["warnings"]
    assert all(not check["problems"] for check in found["checks"])
    keys = dict(found["keys"])
    assert keys["loading.target"] == "0.12" and keys["initial_stress.std"] == "0.3"
    assert "initial_stress" in found["input"]


def test_an_ensemble_has_its_mean_and_band(many: Path, tmp_path: Path) -> None:
    found = content(report(str(many), str(tmp_path / "a.html")))
    with h5py.File(many / "run.h5") as file:
        stress = file["observables/stress"][()]
    (line,) = found["curves"]["lines"]
    np.testing.assert_allclose(line["values"]["stress"], stress.mean(axis=0), rtol=1e-6)
    low, high = line["bands"]["stress"]
    np.testing.assert_allclose([low, high], np.quantile(stress, [0.05, 0.95], axis=0), rtol=1e-6)


def test_maps_are_of_as_many_realizations_as_fit(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def maps() -> dict[str, Any]:
        return content(report(str(many), str(tmp_path / "a.html")))["maps"]

    whole = maps()
    with h5py.File(many / "run.h5") as file:
        plastic = file["fields/epsilon_p"][()]
    for k, series in enumerate(whole["series"]):
        assert series["realization"] == k
        image, field = series["maps"]["epsilon_p"][-1], plastic[k, -1]
        assert np.abs(field_of(image, whole["size"]) - field).max() < 2 / 255 * np.ptp(field)
    assert len(whole["series"]) == 3 and not any("first" in note for note in whole["notes"])
    bytes_of_one = 12 * 10 * sum(map(len, whole["series"][0]["maps"].values()))
    monkeypatch.setattr(of_maps, "BYTES", 2 * bytes_of_one)
    fewer = maps()
    assert fewer["series"] == whole["series"][:2] and fewer["block"] == 1
    assert any("of the first 2 of 3 realizations" in note for note in fewer["notes"])


def test_large_maps_are_means_of_blocks(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_maps, "BYTES", 16 * 4 * 3)  # of 16 maps, each 4 × 4 at most
    maps = content(report(str(single), str(tmp_path / "a.html")))["maps"]
    assert (maps["block"], maps["size"]) == (4, [3, 3])
    with h5py.File(single / "run.h5") as file:
        field = file["fields/sigma"][0, -1]
    expected = [[field[x : x + 4, y : y + 4].mean() for y in (0, 4, 8)] for x in (0, 4, 8)]
    image = maps["series"][0]["maps"]["sigma"][-1]
    np.testing.assert_allclose(field_of(image, [3, 3]), expected, atol=np.ptp(field) / 255)
    assert any("4 × 4 sites" in note for note in maps["notes"])


def test_nothing_of_a_run_is_code(single: Path, tmp_path: Path) -> None:
    def forge(file: h5py.File) -> None:
        file.attrs["input"] = HOSTILE
        file.attrs["host"] = HOSTILE
        file["observables/stress"].attrs["long_name"] = HOSTILE
        values = file["observables/x_min"][()]
        values[0, 3:5] = np.nan, np.inf
        replace(file, "observables/x_min", values)
        field = file["fields/sigma"][()]
        field[0, 1, 0, :3] = np.nan, np.inf, -np.inf
        replace(file, "fields/sigma", field)

    run = rewritten(single, tmp_path, forge).rename(tmp_path / "<img src=x onerror=alert(1)>")
    path = report(str(run), str(tmp_path / "a.html"))
    text, found = path.read_text(), content(path)
    assert text.count("<script") == text.count("</script") == 2 and "<img" not in text
    assert found["title"] == run.name
    assert found["input"] == HOSTILE.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e")
    assert found["curves"]["lines"][0]["values"]["x_min"][3:5] == [None, None]
    assert any("NaN" in problem for check in found["checks"] for problem in check["problems"])


def test_the_scripts_put_text_where_text_belongs() -> None:
    folder = Path(of_maps.__file__).parent
    code = "".join((folder / name).read_text() for name in SCRIPTS)
    forbidden = (
        "innerHTML|outerHTML|insertAdjacent|document.write",
        r"\beval\b|Function\(|import\(|fetch\(|XMLHttp",
        r"https?:(?!//www\.w3\.org/2000/svg)",
    )
    style = (folder / "page.css").read_text()
    assert not re.findall("|".join(forbidden), code)
    assert not re.findall(r"@import|url\(", style)
    assert "script-src 'sha256-" in page({}, None) and "default-src 'none'" in page({}, None)


def test_packed_runs_have_reports_of_their_own(
    single: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    """A run at work in their folder is another one."""
    (tmp_path / "run.lock").touch()
    packed = tmp_path / "one.h5"
    export(str(single), "netcdf", str(packed))
    image = forged(packed.read_bytes(), lambda file: file.attrs.__setitem__("finished", False))
    assert image is not None
    (tmp_path / "two.h5").write_bytes(image)
    for name, state in {"one": "finished", "two": "stopped"}.items():
        for options in ([], ["--watch"]):
            assert main(["report", str(tmp_path / f"{name}.h5"), *options]) == 0
            assert capfd.readouterr().out == f"{tmp_path / f'{name}-report.html'}\n"
        found = content(tmp_path / f"{name}-report.html")
        assert (found["title"], found["state"]) == (name, state)
    assert not (tmp_path / "report.html").exists()


def test_attributes_of_any_kind_are_left_out(single: Path, tmp_path: Path) -> None:
    for name, value in {"complex": 1j, "reference": h5py.Reference()}.items():
        kept = {"dtype": h5py.ref_dtype} if name == "reference" else {}
        changed = rewritten(
            single,
            (tmp_path / name).mkdir() or tmp_path / name,  # type: ignore[func-returns-value]
            lambda file, v=value, k=kept: file.attrs.create("odd", v, **k),  # type: ignore[misc]
        )
        told = dict(content(report(str(changed), None))["provenance"])
        assert "cpu" in told and "odd" not in told


def test_a_report_replaces_no_other_file(single: Path, tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text("mine")
    inputs, piece = tmp_path / "input.yaml", single / "pieces" / "a.html"
    for path in (inputs, single / "run.h5", single / "run.log", tmp_path / "none", piece):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(NoRun, match=r"a report ends in \.html|belongs to a run"):
            report(str(single), str(path))
        with pytest.raises(NoRun, match=r"a report ends in \.html|belongs to a run"):
            watch(str(single), str(path), 0.1, print)
        assert (path.read_bytes() if path.exists() else None) == before
    assert report(str(single), str(tmp_path / "A.HTM")).is_file()


def test_a_damaged_run_shows_what_is_sound(single: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(single, run)
    (piece,) = (run / "pieces").glob("fields-*.h5")
    image = bytearray(piece.read_bytes())
    image[3000] ^= 1
    piece.write_bytes(image)
    found = content(report(str(run), None))
    assert found["maps"] is None and found["curves"] and found["avalanches"]
    assert any(piece.name in warning for warning in found["warnings"])
    assert found["warnings"][0].startswith("not shown: maps, memory: ")
    (run / "run.h5").write_bytes(b"")
    with pytest.raises(NoRun, match="checksum"):
        report(str(run), None)


def test_an_input_is_told_in_full() -> None:
    settings = {"a": {"b": 1.5, "c": None}, "d": [{"e": True}, {"e": [1, 2]}], "f": {}}
    told = [("a.b", "1.5"), ("a.c", "none"), ("d[0].e", "true"), ("d[1].e", "[1, 2]")]
    assert flat(settings)[:4] == told
    assert plain({"x": float("nan"), "y": [np.float64(1) / 3]}) == {"x": None, "y": [0.3333333]}


LIVE = """\
lattice: {shape: [20, 20]}
loading: {target: 5.0}
output: {directory: live, observables: {every: 0.01}, fields: {every: 0.05}}
checkpoint: {every: 0.2 s}
"""


def test_a_report_follows_a_run_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 4.0)  # a lock is touched every 3 seconds
    (tmp_path / "input.yaml").write_text(LIVE)
    live, said = tmp_path / "live", list[str]()
    run = start(["-m", "hpcepm", "input.yaml", "--quiet"], None, tmp_path, NUMBA_DISABLE_JIT="1")
    follow = threading.Thread(target=watch, args=(str(live), None, 0.1, said.append), daemon=True)
    follow.start()
    seen: list[dict[str, Any]] = []
    give_up = time.monotonic() + 240
    while len(seen) < 3 and time.monotonic() < give_up:
        time.sleep(0.1)
        now = content(live / "report.html") if (live / "report.html").exists() else None
        if now and (not seen or now["curves"] != seen[-1]["curves"]):
            seen.append(now)
    end(run)  # killed: it leaves its lock
    records = [len(one["curves"]["lines"][0]["records"]) for one in seen]
    assert len(records) == 3 and records == sorted(set(records))
    assert all(one["state"] == "running" and one["reload"] == 0.1 for one in seen)
    assert re.fullmatch(
        r"\d+ of 501 records",
        {name: value for name, value, _ in seen[0]["numbers"]["first"]}["progress"],
    )
    follow.join(30)
    last = content(live / "report.html")
    assert not follow.is_alive() and (live / "run.lock").exists()
    assert last["state"] == "stopped" and last["reload"] is None and last["checks"]
    assert said[0].startswith("waiting for a run") and "written anew" in said[-1]


def test_a_run_that_nobody_goes_on_with_is_waited_for(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfinished(file: h5py.File) -> None:
        file.attrs["finished"] = False

    monkeypatch.setattr(watching, "PATIENCE", 1.0)
    run, said = rewritten(single, tmp_path, unfinished), list[str]()
    begun = time.monotonic()
    found = content(watch(str(run), None, 0.2, said.append))
    assert said == [f"nobody is at work in {run} yet; waiting 1 s"]
    assert 1 <= time.monotonic() - begun < 25 and found["state"] == "stopped"  # 30 s: PATIENCE


def test_wrong_command_lines(single: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    for arguments, message in {
        (str(tmp_path / "none"),): "No such file",
        ("--watch", str(single)): "after RUNDIR",
        (str(single), "--watch", "0.1"): "give seconds from 1 to 86400",
        (str(single), "--out", str(tmp_path / "no" / "a.html")): "no such directory; make it",
    }.items():
        assert main(["report", *arguments]) in (1, 2)
        assert message in capfd.readouterr().err

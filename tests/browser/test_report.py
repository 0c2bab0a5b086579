"""The page of a run as a person uses it. Run by ``tools/test --browser``."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcepm.analysis.report.content import RUNNING, content_of
from hpcepm.analysis.report.page import page as filled
from hpcepm.analysis.report.watch import report
from tests.analysis.conftest import rewritten, simulated
from tests.analysis.test_report import HOSTILE

from .chromium import Page

pytestmark = pytest.mark.browser

LEFT, RIGHT = ("ArrowLeft", 37), ("ArrowRight", 39)
CURVE, TIP = "#curve svg", "#curve .tip"


def values_in(text: str) -> dict[str, float]:
    """Return the numbers of a text of lines ``name: value``."""
    pairs = re.findall(r"^(\w+): ([−\d.]+)$", text, re.M)
    return {name: float(value.replace("−", "-")) for name, value in pairs}


def place_of(page: Page, x: float, y: float, box: str = "#curve .frame") -> tuple[float, float]:
    """Return which parts of the width and height of a chart a place in its frame is at."""
    return tuple(
        page.js(
            f"(() => {{ const a = document.querySelector('{CURVE}').getBoundingClientRect();"
            f" const b = document.querySelector('{box}').getBoundingClientRect();"
            f" return [(b.left - a.left + {x} * b.width) / a.width,"
            f" (b.top - a.top + {y} * b.height) / a.height]; }})()"
        )
    )


def shown(page: Page) -> str:
    """Return the picture of the map."""
    return page.js("document.querySelector('#pixels').toDataURL()")


def test_a_pointer_reads_the_curve(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    with h5py.File(run / "run.h5") as file:
        strain, stress = file["observables/strain"][()], file["observables/stress"][0]
    for part in (0.1, 0.5, 0.9):
        page.point(CURVE, *place_of(page, part, 0.3))
        read = values_in(page.text(TIP))
        k = int(np.abs(strain - read["strain"]).argmin())
        assert read["stress"] == pytest.approx(stress[k], rel=1e-5)
        at = -0.04 * strain[-1] + part * 1.08 * strain[-1]  # the frame is 4 % wider at each end
        assert abs(strain[k] - at) <= 0.01
        assert f"record {k}" in page.text(TIP)
    page.js(f"document.querySelector('{CURVE}').focus()")
    page.key("Home", 36)
    page.key(*RIGHT)
    assert values_in(page.text(TIP))["stress"] == pytest.approx(stress[1], rel=1e-5)


def test_a_drag_zooms_and_a_button_shows_all(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    before = page.text(CURVE)
    page.drag(CURVE, place_of(page, 0.4, 0.1), place_of(page, 0.6, 0.5))
    zoomed = page.text(CURVE)
    ticks = [float(tick) for tick in re.findall(r"0\.\d+", zoomed)]
    assert zoomed != before and min(ticks) > 0.03
    page.point(CURVE, *place_of(page, 0.0, 0.5))
    assert 0.04 < values_in(page.text(TIP))["strain"] < 0.06
    page.click(".all")
    assert page.text(CURVE) == before


def test_other_observables_can_be_chosen(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    for name, value in (("curve-x", "plastic_strain"), ("curve-y", "localization")):
        page.js(f"document.getElementById('{name}').value = '{value}'")
        page.js(f"document.getElementById('{name}').dispatchEvent(new Event('input'))")
    page.point(CURVE, *place_of(page, 1.0, 0.5))
    with h5py.File(run / "run.h5") as file:
        of = file["observables"]
        expected = {name: of[name][0, -1] for name in ("plastic_strain", "localization")}
    assert values_in(page.text(TIP)) == pytest.approx(expected, rel=1e-5)


def test_the_slider_moves_through_the_maps(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    assert page.text("#at") == "ε = 0.12, map 4 of 4"
    last = shown(page)
    ring = "document.querySelector('#curve .ring').getAttribute('cx')"
    right = float(page.js(ring))
    page.drag("#slider", (0.99, 0.5), (0.34, 0.5))
    assert page.text("#at") == "ε = 0.05, map 2 of 4"
    page.wait("document.querySelector('#pixels').ariaLabel.endsWith('0.05')")
    assert shown(page) != last and float(page.js(ring)) < right
    page.js("document.querySelector('#slider').focus()")
    page.key(*RIGHT)
    page.key(*RIGHT)
    page.wait("document.querySelector('#pixels').ariaLabel.endsWith('0.12')")
    assert shown(page) == last
    page.key(*LEFT)
    assert page.text("#at") == "ε = 0.1, map 3 of 4"


def test_a_pointer_reads_the_map(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    with h5py.File(run / "run.h5") as file:
        field = file["fields/epsilon_p"][0, -1]
    for x, y in ((0, 0), (11, 9), (3, 7)):
        page.point("#pixels", (x + 0.5) / 12, 1 - (y + 0.5) / 10)
        where, value = page.text("#site").split(": ")
        assert where == f"x {x}, y {y}"
        assert float(value.replace("−", "-")) == pytest.approx(field[x, y], abs=0.01 * field.max())


def test_profiles_are_those_of_the_map(page: Page, run: Path) -> None:
    page.open(run / "report.html")
    with h5py.File(run / "run.h5") as file:
        plastic = file["fields/epsilon_p"][0]
    page.wait("document.querySelector('#profile path.curve') !== null")
    for k, keys in ((3, []), (2, [LEFT])):
        page.js("document.querySelector('#slider').focus()")
        for one in keys:
            page.key(*one)
        page.wait(f"document.querySelector('#at').textContent.includes('map {k + 1} of')")
        page.js("new Promise((after) => setTimeout(after, 200))")
        page.js("document.querySelector('#profile svg').focus()")
        page.key("Home", 36)
        where, mean = page.text("#profile .tip").split("\n")
        assert where == "x 0"
        value = float(mean.removeprefix("mean: ").replace("−", "-"))
        assert value == pytest.approx(plastic[k, 0].mean(), abs=0.01 * np.ptp(plastic[k]))


def test_a_realization_can_be_chosen(page: Page, tmp_path: Path) -> None:
    run = simulated(tmp_path, realizations=3)
    report(str(run), None)
    page.open(run / "report.html")
    with h5py.File(run / "run.h5") as file:
        field = file["fields/epsilon_p"][2, -2]
    page.js("document.querySelector('#slider').focus()")
    page.key(*LEFT)
    page.js("document.getElementById('of-realization').value = '2'")
    page.js("document.getElementById('of-realization').dispatchEvent(new Event('input'))")
    assert page.text("#at") == "ε = 0.1, map 3 of 4"
    page.js("new Promise((after) => setTimeout(after, 200))")  # the map is unpacked
    page.point("#pixels", 3.5 / 12, 1 - 7.5 / 10)
    where, value = page.text("#site").split(": ")
    assert where == "x 3, y 7"
    assert float(value.replace("−", "-")) == pytest.approx(field[3, 7], abs=0.01 * field.max())


def test_nothing_of_a_run_is_carried_out(page: Page, run: Path, tmp_path: Path) -> None:
    def forge(file: h5py.File) -> None:
        file.attrs["input"] = HOSTILE
        file["observables/stress"].attrs["long_name"] = HOSTILE

    copy = rewritten(run, tmp_path, forge).rename(tmp_path / "<img src=x onerror=owned=1>")
    report(str(copy), str(tmp_path / "a.html"))
    page.open(tmp_path / "a.html")
    assert page.text("h1") == copy.name
    assert (
        page.js("document.querySelectorAll('img, iframe, script').length") == 2
    )  # its own scripts
    assert page.js("document.getElementById('input').textContent").startswith("</script>")
    assert page.js("typeof owned") == "undefined"
    page.js(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.owned = 1'}))"
    )
    assert page.js("typeof owned") == "undefined"
    assert len(page.said) == 1 and "Content Security Policy" in page.said.pop()


def test_a_page_is_renewed_in_its_place(page: Page, run: Path, tmp_path: Path) -> None:
    whole = content_of(str(run), False, {})
    maps, series = whole["maps"], dict(whole["maps"]["series"][0])
    images = {name: some[:3] for name, some in series["maps"].items()}
    series |= {"at": series["at"][:3], "maps": images}
    fewer = {"maps": maps | {"series": [series]}, "state": RUNNING}
    path = tmp_path / "live.html"
    path.write_text(filled(whole | fewer, 0.3))
    page.open(path)
    assert page.text("#state") == "running" and page.text("#at").endswith("map 3 of 3")
    page.js("document.querySelector('#slider').focus()")
    page.key(*LEFT)
    page.drag(CURVE, place_of(page, 0.4, 0.1), place_of(page, 0.6, 0.5))
    page.js("document.querySelector('#slider').focus()")
    page.js("window.mark = 1")
    zoomed = page.text(CURVE)
    path.write_text(filled(whole | {"title": "renewed"}, None))
    page.wait("document.querySelector('h1').textContent === 'renewed'")
    assert page.text("#state") == "finished" and page.js("window.mark") == 1
    assert page.text("#at") == "ε = 0.05, map 2 of 4" and page.text(CURVE) == zoomed
    assert page.js("document.activeElement.id") == "slider"
    written = page.text("#written")
    path.write_text(filled(whole | {"title": "too late"}, 0.3))
    page.js("new Promise((after) => setTimeout(after, 1000))")
    assert page.text("h1") == "renewed" and page.text("#written") == written
    assert page.js("document.querySelectorAll('iframe').length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_colours_can_be_read(page: Page, run: Path, dark: bool) -> None:
    page.open(run / "report.html", dark=dark)
    paper, *inks = page.js(
        "['--paper', '--ink', '--soft', '--line', '--mark', '--good'].map((name) =>"
        " getComputedStyle(document.documentElement).getPropertyValue(name).trim())"
    )
    assert all(contrast(paper, ink) > 4.5 for ink in inks)
    assert page.js("getComputedStyle(document.body).backgroundColor") == (
        "rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, #rrggbb, as WCAG 2 has it."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_a_narrow_screen_and_paper(page: Page, run: Path) -> None:
    page.open(run / "report.html", width=360, height=700)
    assert page.js("document.documentElement.scrollWidth") <= 360
    assert page.printed().startswith(b"%PDF")


def test_cycles_of_an_ensemble_without_fields(page: Page, tmp_path: Path) -> None:
    cyclic = {
        "yielding": {"sides": "two", "landscape": "quenched", "order": "weakest"},
        "loading": {"cycle": [0.03, -0.03], "cycles": 4, "until": {"recurrence": True}},
        "output": {"directory": "run", "observables": {"every": 0.01}, "fields": None},
        "realizations": 2,
    }
    run = simulated(tmp_path, **cyclic)
    report(str(run), None)
    page.open(run / "report.html")
    there = (
        "[...document.querySelectorAll('section[id]')].filter((s) => !s.hidden).map((s) => s.id)"
    )
    sections = ["avalanches", "curves", "cycles", "last-section", "numbers"]
    assert sorted(page.js(there)) == sections
    page.point("#cycle svg", 0.99, 0.5)
    assert page.text("#cycle .tip").startswith("realization")
    assert page.text("#recurrence").startswith("Recurrence: ")


def test_ticks_of_numbers_that_differ_in_the_last_bit(page: Page, run: Path) -> None:
    """Means along x and y of a uniform map are such; and so may a zoom be."""
    page.open(run / "report.html")
    for low, high in ((0.29999999999999993, 0.3), (1e9, 1e9 + 1e-7), (0, 0), (-3, -3 + 1e-15)):
        assert page.js(f"linearTicks({low!r}, {high!r}, 6).length") <= 12
    first, last = page.js("interval([0.29999999999999993, 0.3], false)")
    assert first < 0.28 and last > 0.32
    assert len(page.js("linearTicks(0, 1, 6)")) > 3


def test_plastic_strain_of_both_signs_has_one_scale_in_all_maps(page: Page, tmp_path: Path) -> None:
    rule = {"yielding": {"sides": "two"}, "output": {"directory": "run", "fields": {"every": 0.2}}}
    stable = {"initial_stress": {"std": 0}}
    loading = [{"control": "strain", "target": target} for target in (0.4, -0.8)]
    directory = simulated(tmp_path, **rule, **stable, loading=loading)
    report(str(directory), None)
    page.open(directory / "report.html")
    with h5py.File(directory / "run.h5") as file:
        lowest = file["fields/epsilon_p"][0].min(axis=(1, 2))
    assert lowest[0] == 0 and (lowest < 0).any(), "maps without and with negative sites"
    scales = set()
    for k in range(len(lowest)):
        page.js(f"document.querySelector('#slider').value = {k}")
        page.js("document.querySelector('#slider').dispatchEvent(new Event('input'))")
        page.wait(f"document.querySelector('#at').textContent.includes('map {k + 1} of')")
        texts = [page.text(f"#{place}") for place in ("low", "middle", "high")]
        scales.add(tuple(texts))
    assert len(scales) == 1 and float(scales.pop()[1]) == 0

"""A browser, and the runs whose pages it looks at."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcepm.analysis.report.watch import report
from tests.analysis.conftest import simulated

from .chromium import Page, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return a page in a browser."""
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """Return the page, which must not have complained after the test."""
    yield browser
    said = browser.said.copy()
    browser.said.clear()
    assert not said


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run of one realization, with its report."""
    directory = simulated(tmp_path_factory.mktemp("single"))
    report(str(directory), None)
    return directory

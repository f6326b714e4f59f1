"""Hostile names in a real browser: nothing runs, nothing is loaded, nothing stands on the console."""

import json
from pathlib import Path

import pytest

from haploscribe.report.figures import write_figures
from tests.fixtures.browser import Shows, browser, log, of, one, shows
from tests.fixtures.hostile_page import HOSTILE, LABELS, hostile_details, hostile_page, hostile_results

from selenium.webdriver import Chrome  # isort: skip
from selenium.webdriver.support.select import Select  # isort: skip

__all__ = ["browser", "shows"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.regions]


def requests(driver: Chrome) -> list[str]:
    """List the addresses that the browser has asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in log(driver, "performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_no_name_of_the_page_runs_or_loads(shows: Shows) -> None:
    """Every part is opened; `shows` lets the console, where breaches of the policy are told, hold nothing."""
    driver = shows(hostile_page())
    for button in of(driver, "button.open"):
        driver.execute_script("arguments[0].click()", button)
    field = Select(one(driver, "#scatter-model"))
    for number in range(len(field.options)):
        field.select_by_index(number)
    one(driver, "#find").send_keys(HOSTILE[0])
    assert of(driver, "img, iframe, textarea, object, embed, link, base, form[action]") == []
    assert len(of(driver, "script")) == 2
    assert (
        driver.execute_script(
            "return [...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
            ".filter(n => /^on/.test(n))"
        )
        == []
    )
    assert requests(driver) == [driver.current_url]


def test_names_are_shown_as_they_are(shows: Shows) -> None:
    driver = shows(hostile_page())
    shown = set(
        driver.execute_script(
            "return [...document.querySelectorAll('#gene-table button.open')].map(b => b.textContent)"
        )
    )
    assert shown == LABELS


@pytest.mark.parametrize("kind", ["comparison", "scatter", "predictions", "region", "distribution"])
def test_no_name_in_a_figure_of_its_own_runs(browser: Chrome, tmp_path: Path, kind: str) -> None:
    written = write_figures(hostile_results(), tmp_path, details=hostile_details())
    shown = [path for path in written if path.name.startswith(kind)]
    assert shown
    for path in shown:
        log(browser, "performance")
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.localName") == "svg"
        assert (
            browser.execute_script(
                "return document.querySelectorAll('script, image, foreignObject, a').length"
            )
            == 0
        )
        assert requests(browser) == [browser.current_url]
        assert [entry["message"] for entry in log(browser, "browser")] == []

"""The page in a real browser: with mouse, with keyboard, on a phone, in the dark, and with 20,000 genes."""

import csv
import json
import shlex
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from haploscribe.evaluation.metrics import with_symbols
from haploscribe.expression.genes import Gene
from haploscribe.report.gene_details import GeneDetail, Predictions
from haploscribe.report.page import render_page
from haploscribe.report.tables import gene_rows
from tests.fixtures.browser import Shows, browser, log, of, one, shows
from tests.fixtures.results import made_results, made_tracks, shifted, to_number

__all__ = ["browser", "shows"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.regions]

HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "it's $(a) `b`", "__proto__"]
N_GENES = 60


@pytest.fixture(scope="module")
def r() -> dict[str, list[float]]:
    three = shifted(0.03) | {"kmer": shifted(0.0, seed=3)["transformer"]}
    three["kmer"][5] = -0.25
    three["kmer"][9] = float("nan")
    return three


@pytest.fixture(scope="module")
def page(r: dict[str, list[float]]) -> str:
    results = made_results(r)
    details = {
        row.gene_id: GeneDetail(
            Predictions("transformer", *np.random.default_rng(0).normal(size=(2, 30))),
            made_tracks(row.gene_id, n_variants=60),
            0.25,
        )
        for row in gene_rows(results.metrics, list(r))
        if row.best_r > 0.45
    }
    return render_page(results, details, [Gene("GENE0003", "chr22", 20_098_303)])


def genes_shown(driver: Chrome) -> list[str]:
    return [button.text for button in of(driver, "#gene-table button.open")]


def sort_by(driver: Chrome, heading: str) -> WebElement:
    (found,) = (cell for cell in of(driver, "#gene-table thead th") if cell.text.startswith(heading))
    found.find_element("css selector", "button").click()
    return found


def search(driver: Chrome, wanted: str) -> None:
    field = one(driver, "#find")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(wanted or Keys.BACKSPACE)


def overflow(driver: Chrome) -> int:
    """Pixels by which the page is wider than its window."""
    root = "document.documentElement"
    return int(driver.execute_script(f"return {root}.scrollWidth - {root}.clientWidth"))


def test_nothing_is_loaded_from_anywhere(shows: Shows, page: str) -> None:
    driver = shows(page)
    sort_by(driver, "kmer")
    one(driver, "button.open").click()
    messages = [json.loads(entry["message"])["message"] for entry in log(driver, "performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [driver.current_url]


@pytest.mark.parametrize("model", ["elastic-net", "transformer", "kmer"])
def test_sorting_by_a_model_goes_both_ways(
    shows: Shows, page: str, r: dict[str, list[float]], model: str
) -> None:
    driver = shows(page)
    sort_by(driver, "Gene")
    values = np.round(np.array(r[model]), 3)
    for direction, sign in (("descending", -1), ("ascending", 1)):
        heading = sort_by(driver, model)
        assert heading.get_attribute("aria-sort") == direction
        assert len(of(driver, "th[aria-sort]")) == 1
        shown = [values[int(gene.removeprefix("GENE"))] for gene in genes_shown(driver)]
        np.testing.assert_array_equal(shown, sign * np.sort(sign * values)[:25])


def test_genes_without_r_come_last_either_way(shows: Shows, page: str) -> None:
    driver = shows(page)
    for _ in range(2):
        sort_by(driver, "kmer")
        one(driver, "button[data-to=last]").click()
        assert genes_shown(driver)[-1] == "GENE0009"


def test_names_sort_by_the_numbers_in_them(shows: Shows) -> None:
    names = ["ENSG10", "ENSG9", "ENSG100"]
    driver = shows(render_page(made_results({"a": [0.1, 0.2, 0.3], "b": [0.1, 0.3, 0.2]}, genes=names)))
    sort_by(driver, "Gene")
    assert genes_shown(driver) == ["ENSG9", "ENSG10", "ENSG100"]


def test_search_finds_a_gene_by_its_symbol(shows: Shows) -> None:
    results = made_results(shifted(0.03, n_genes=3))
    symbols = {"GENE0000": "COMT", "GENE0001": None, "GENE0002": "TBX1"}
    driver = shows(render_page(replace(results, metrics=with_symbols(results.metrics, symbols))))
    search(driver, "comt")
    assert [button.text for button in of(driver, "#gene-table button.open")] == ["COMT (GENE0000)"]


def test_search_shows_the_genes_whose_name_holds_it(shows: Shows, page: str) -> None:
    driver = shows(page)
    search(driver, "ene003")
    assert sorted(genes_shown(driver)) == [f"GENE{i:04d}" for i in range(30, 40)]
    assert one(driver, "#found").text == "10 of 60 genes"
    search(driver, "nowhere")
    assert genes_shown(driver) == []
    assert one(driver, "#shown").text == "no such gene"


def test_pages_turn_to_the_end_and_back(shows: Shows, page: str) -> None:
    driver = shows(page)
    seen = genes_shown(driver)
    assert one(driver, "#shown").text == "1–25 of 60, by best r"
    for shown in ("26–50 of 60", "51–60 of 60", "51–60 of 60"):
        one(driver, "button[data-to=next]").send_keys(Keys.ENTER)
        assert one(driver, "#shown").text.startswith(shown)
        seen += genes_shown(driver)
    assert set(seen) == {f"GENE{i:04d}" for i in range(N_GENES)}
    assert driver.switch_to.active_element == one(driver, "button[data-to=next]")
    assert one(driver, "button[data-to=next]").get_attribute("aria-disabled") == "true"
    one(driver, "button[data-to=first]").send_keys(Keys.SPACE)
    assert one(driver, "#shown").text == "1–25 of 60, by best r"


@pytest.mark.parametrize("key", [None, Keys.ENTER, Keys.SPACE])
def test_a_row_opens_its_region_and_closes_it(shows: Shows, page: str, key: str | None) -> None:
    driver = shows(page)
    button = of(driver, "button.open")[2]
    act = button.click if key is None else lambda: button.send_keys(key)
    act()
    assert button.get_attribute("aria-expanded") == "true"
    inside = one(driver, f"#{button.get_attribute('aria-controls')}")
    figures = inside.find_elements("css selector", "svg[role=img]")
    labels = [str(figure.get_attribute("aria-label")) for figure in figures]
    assert labels[0].startswith(f"Observed expression of {button.text} against the held-out prediction of ")
    assert labels[1].startswith(f"Region of {button.text}, 22:20,000,001-20,196,608")
    assert driver.switch_to.active_element == button
    act()
    assert button.get_attribute("aria-expanded") == "false"
    assert of(driver, ".detail") == []


def test_an_opened_gene_says_how_well_it_is_predicted(
    shows: Shows, page: str, r: dict[str, list[float]]
) -> None:
    driver = shows(page)
    button = one(driver, "button.open")
    button.click()
    gene = int(button.text.removeprefix("GENE"))
    model = max(r, key=lambda name: r[name][gene])
    facts = dict(zip(texts(driver, ".facts dt"), texts(driver, ".facts dd"), strict=True))
    assert facts["Best model"] == model
    assert facts["r"] == f"{r[model][gene]:.3f}"
    assert facts["R²"] == f"{r[model][gene] ** 2:.3f}"
    assert to_number(facts["p"].replace(" × ", "\u00a0×\u00a0")) == pytest.approx(0.0001)
    assert facts["h²"] == "0.250"


def texts(driver: Chrome, css: str) -> list[str]:
    return [element.text for element in of(driver, css)]


def test_a_gene_without_a_region_names_the_command(shows: Shows, page: str) -> None:
    driver = shows(page)
    one(driver, "button[data-to=last]").click()
    button = of(driver, "button.open")[-1]
    button.click()
    command = f"haploscribe explain --results DIR --gene {button.text} --out DIR"
    assert one(driver, ".detail code").text == command


def test_hostile_names_stay_text_in_the_document(shows: Shows) -> None:
    values = shifted(0.03, n_genes=len(HOSTILE))
    r: dict[str, list[float]] = {"elastic-net": values["elastic-net"], HOSTILE[0]: values["transformer"]}
    tracks = replace(made_tracks(HOSTILE[0]), effects={}, tile_weights={})
    driver = shows(render_page(made_results(r, genes=HOSTILE), {HOSTILE[0]: GeneDetail(tracks=tracks)}))
    assert set(genes_shown(driver)) == set(HOSTILE)
    commands = set()
    for button in of(driver, "button.open"):
        button.click()
    for code in of(driver, ".detail code"):
        commands.add(shlex.split(code.text)[5])
    assert commands == set(HOSTILE[1:])
    assert HOSTILE[0] in [text.get_property("textContent") for text in of(driver, ".detail svg text")]
    options = [option.text for option in Select(one(driver, "#scatter-model")).options]
    assert options == [HOSTILE[0], "all models"]
    assert of(driver, "img") == []
    assert len(of(driver, "script")) == 2


def shown_scatters(driver: Chrome) -> list[str]:
    figures = of(driver, "#scatters figure")
    return [str(figure.get_attribute("data-model")) for figure in figures if figure.is_displayed()]


def test_the_best_model_is_shown_and_any_can_be_chosen(shows: Shows, page: str) -> None:
    driver = shows(page)
    assert shown_scatters(driver) == ["transformer"]
    chosen = Select(one(driver, "#scatter-model"))
    chosen.select_by_visible_text("kmer")
    assert shown_scatters(driver) == ["kmer"]
    chosen.select_by_visible_text("all models")
    assert shown_scatters(driver) == ["transformer", "kmer"]


@pytest.mark.parametrize(("control", "kept"), [("#only-r", "r"), ("#only-q", "q")])
def test_filters_keep_the_genes_that_pass(
    shows: Shows, page: str, r: dict[str, list[float]], control: str, kept: str
) -> None:
    driver = shows(page)
    rows = gene_rows(made_results(r).metrics, list(r))
    passing = [row for row in rows if (row.best_r > 0.1 if kept == "r" else row.q < 0.05)]
    assert 0 < len(passing) < N_GENES
    one(driver, control).click()
    assert one(driver, "#found").text == f"{len(passing)} of 60 genes"
    one(driver, "button[data-to=last]").click()
    assert set(genes_shown(driver)) <= {row.gene_id for row in passing}


def test_the_table_is_downloaded_as_it_is_filtered(
    shows: Shows, page: str, r: dict[str, list[float]]
) -> None:
    driver = shows(page)
    # Keeps the file, which a browser without a folder for downloads would drop.
    driver.execute_script(
        "HTMLAnchorElement.prototype.click = function () { window.called = this.download; };"
        "URL.createObjectURL = (blob) => { blob.text().then((all) => { window.table = all; }); return '#'; };"
    )
    search(driver, "GENE0003")
    one(driver, "#download").click()
    text = driver.execute_async_script("const done = arguments[0]; setTimeout(() => done(window.table), 200)")
    (row,) = csv.DictReader(text.splitlines())
    assert (row["gene_id"], row["contig"], row["tss"]) == ("GENE0003", "chr22", "20098304")
    found = {name: float(row[f"r_{name}"]) for name in r}
    assert found == pytest.approx({name: values[3] for name, values in r.items()}, abs=5.1e-4)
    assert driver.execute_script("return window.called") == "genes.csv"


@pytest.mark.parametrize("model", ["elastic-net", "kmer"])
def test_the_sorted_column_is_in_view_on_a_phone(shows: Shows, page: str, model: str) -> None:
    driver = shows(page, width=360)
    heading = next(cell for cell in of(driver, "#gene-table thead th") if cell.text.startswith(model))
    driver.execute_script("arguments[0].querySelector('button').click()", heading)
    first = one(driver, "#gene-table thead th")
    assert first.rect["x"] + first.rect["width"] <= heading.rect["x"] + 1
    assert heading.rect["x"] + heading.rect["width"] <= 360
    assert first.rect["x"] >= 0


def test_one_model_alone_has_a_table_that_works(shows: Shows) -> None:
    driver = shows(render_page(made_results({"blup": [0.1, 0.3, 0.2]})))
    assert genes_shown(driver) == ["GENE0001", "GENE0002", "GENE0000"]
    search(driver, "0002")
    assert genes_shown(driver) == ["GENE0002"]


def test_pointing_at_a_gene_names_it_and_a_click_opens_it(
    shows: Shows, page: str, r: dict[str, list[float]]
) -> None:
    driver = shows(page)
    best = int(np.argmax(r["elastic-net"]))
    figure = one(driver, "#scatters figure:not([hidden]) svg")
    uses = [
        (float(use.get_attribute("x") or 0), float(use.get_attribute("y") or 0))
        for use in figure.find_elements("css selector", "use")
    ][: len(r["elastic-net"])]
    x, y = uses[best]
    width, height = (float(side) for side in str(figure.get_dom_attribute("viewBox")).split()[2:])
    at = [
        round(place * figure.size[side] / whole - figure.size[side] / 2)
        for place, side, whole in ((x, "width", width), (y, "height", height))
    ]
    ActionChains(driver).move_to_element_with_offset(figure, *at).perform()
    assert one(driver, "#scatter-point").text.startswith(f"GENE{best:04d}: transformer ")
    ActionChains(driver).click().perform()
    assert genes_shown(driver) == [f"GENE{best:04d}"]
    assert len(of(driver, ".facts")) == 1


def test_tab_reaches_every_control_and_shows_where_it_is(shows: Shows, page: str) -> None:
    driver = shows(page)
    wanted = "a[href], button, select, input, summary"
    controls = driver.execute_script(
        f"return [...document.querySelectorAll('{wanted}')].filter((one) => one.checkVisibility())"
    )
    reached: list[Any] = []
    for _ in range(2 * len(controls)):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        outline, focused = driver.execute_script(
            "const one = document.activeElement; const style = getComputedStyle(one);"
            "return [one === document.body ? '' : `${style.outlineStyle} ${style.outlineWidth}`, one]"
        )
        if outline == "":
            break
        assert outline in {"solid 2px", "auto 1px"}, focused.get_property("outerHTML")
        reached.append(focused)
    assert len(controls) > 40
    assert [control for control in controls if control not in reached] == []


def test_every_control_and_figure_says_what_it_is(shows: Shows, page: str) -> None:
    driver = shows(page)
    one(driver, "button.open").click()
    wanted = of(driver, "button, select, input, summary, svg:not(.chip), table, [role=region], [role=group]")
    there = [element for element in wanted if element.is_displayed()]
    assert len(there) > 50
    assert [element.get_property("outerHTML") for element in there if not element.accessible_name] == []


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_no_width_scrolls_sideways(shows: Shows, page: str, width: int) -> None:
    driver = shows(page, width=width)
    driver.execute_script(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
        "[...document.querySelectorAll('button.open')].slice(0, 2).forEach((one) => one.click());"
    )
    assert overflow(driver) <= 0
    detail = of(driver, ".inside")[0]
    assert detail.size["width"] <= width


def test_long_names_scroll_nothing_sideways_on_a_phone(shows: Shows) -> None:
    values = shifted(0.03, n_genes=3)
    long = "a-model/kept-in-a-folder/" * 8
    r = {"elastic-net": values["elastic-net"], long: values["transformer"]}
    driver = shows(render_page(made_results(r, genes=["G" * 150, "b", "c"])), width=360)
    assert overflow(driver) <= 0


def test_dark_readers_get_a_dark_page(shows: Shows, page: str) -> None:
    backgrounds = {}
    for scheme in ("light", "dark"):
        driver = shows(page, scheme=scheme)
        backgrounds[scheme] = one(driver, "body").value_of_css_property("background-color")
    assert backgrounds == {"light": "rgba(255, 255, 255, 1)", "dark": "rgba(22, 24, 26, 1)"}


def test_paper_gets_200_genes(shows: Shows) -> None:
    driver = shows(render_page(made_results(shifted(0.03, n_genes=250))))
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(of(driver, "#gene-table tbody tr")) == 200
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(of(driver, "#gene-table tbody tr")) == 25


def test_without_script_the_page_still_shows_all_there_is(shows: Shows, browser: Chrome, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver = shows(page)
        assert len(of(driver, "#gene-table tbody tr")) == N_GENES
        assert shown_scatters(driver) == ["transformer", "kmer"]
        hidden = [one(driver, css).is_displayed() for css in ("#find-form", "#scatter-form", "#pages")]
        assert hidden == [False, False, False]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_twenty_thousand_genes_stay_usable(shows: Shows) -> None:
    rng = np.random.default_rng(2)
    r = {model: rng.uniform(-0.1, 0.8, 20_000).tolist() for model in ("elastic-net", "blup", "transformer")}
    page = render_page(made_results(r, genes=[f"ENSG{i:011d}" for i in range(20_000)]))
    assert len(page.encode()) < 2.5e6
    driver = shows(page)
    started = time.monotonic()
    sort_by(driver, "transformer")
    sort_by(driver, "transformer")
    sort_by(driver, "Gene")
    assert genes_shown(driver)[0] == "ENSG00000000000"
    search(driver, "1999")
    assert (
        one(driver, "#found").text == f"{sum('1999' in f'{i:011d}' for i in range(20_000))} of 20,000 genes"
    )
    search(driver, "")
    one(driver, "button[data-to=last]").click()
    assert genes_shown(driver)[-1] == "ENSG00000019999"
    assert time.monotonic() - started < 20
    assert driver.execute_script("return document.getElementsByTagName('*').length") < 3000

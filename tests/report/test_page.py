"""The page: well-formed, complete in itself, and true to the results."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, wilcoxon

from haploscribe.errors import InputError
from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.metrics import with_symbols
from haploscribe.expression.genes import Gene
from haploscribe.report.gene_details import GeneDetail, Predictions
from haploscribe.report.page import render_page, write_report
from tests.fixtures.results import PageParser, made_results, made_tracks, shifted, to_number, write_made

pytestmark = pytest.mark.regions

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a&amp;b",
    "{{ 7 * 7 }}",
    "'--><!--",
]
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def r() -> dict[str, list[float]]:
    four = shifted(0.03) | {
        "blup": shifted(-0.01)["transformer"],
        "kmer": shifted(0.0, seed=3)["transformer"],
    }
    four["kmer"][5] = -0.25
    return four


@pytest.fixture(scope="module")
def page(r: dict[str, list[float]]) -> str:
    return render_page(made_results(r, constant={m: [m == "blup" and i < 7 for i in range(60)] for m in r}))


@pytest.fixture(scope="module")
def parsed(page: str) -> PageParser:
    return PageParser(page)


def test_every_tag_closes_in_turn(page: str) -> None:
    PageParser(page)


def test_ids_are_unique(parsed: PageParser) -> None:
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("attribute", ["aria-labelledby", "for"])
def test_labels_point_at_elements(parsed: PageParser, attribute: str) -> None:
    ids = {attributes.get("id") for _, attributes in parsed.tags}
    named = [attributes[attribute] or "" for _, attributes in parsed.tags if attribute in attributes]
    wanted = {name for names in named for name in names.split()}
    assert wanted
    assert wanted <= ids


def test_links_stay_within_the_page(parsed: PageParser) -> None:
    ids = {attributes.get("id") for _, attributes in parsed.tags}
    links = [attributes["href"] or "" for _, attributes in parsed.tags if "href" in attributes]
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_nothing_is_fetched(page: str, parsed: PageParser) -> None:
    fetching = {"src", "srcset", "data", "action", "xlink:href", "background", "poster"}
    assert not [attributes for _, attributes in parsed.tags if fetching & attributes.keys()]
    script = parsed.scripts[0]
    assert not re.search(r"https?:|url\(|@import|@font-face", page.replace(script, ""))
    assert set(re.findall(r"https?:[^\"]*", script)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not an address


def test_only_our_script_may_run(page: str, parsed: PageParser) -> None:
    (script,) = parsed.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_every_table_has_a_name_and_scoped_headings(parsed: PageParser) -> None:
    tables = [attributes for tag, attributes in parsed.tags if tag == "table"]
    captions = [tag for tag, _ in parsed.tags if tag == "caption"]
    assert len(captions) + sum("aria-labelledby" in attributes for attributes in tables) == len(tables)
    assert {attributes.get("scope") for tag, attributes in parsed.tags if tag == "th"} == {"col", "row"}


def test_model_table_has_the_results_numbers(parsed: PageParser, r: dict[str, list[float]]) -> None:
    rows = {row[0]: row[1:] for row in parsed.tables["model-table"][1:]}
    assert list(rows) == list(r)
    base = np.array(r["elastic-net"])
    p = {
        model: wilcoxon(np.array(values) - base).pvalue
        for model, values in r.items()
        if model != "elastic-net"
    }
    q = dict(zip(p, false_discovery_control(list(p.values())), strict=True))
    for model, p_value in p.items():
        values = np.array(r[model])
        expected = [
            60,
            values.mean(),
            np.median(values),
            (values > 0.2).sum(),
            7 if model == "blup" else 0,
            (values > base).sum(),
            (values < base).sum(),
            (values - base).mean(),
            p_value,
            q[model],
        ]
        ends = [to_number(end) for end in rows[model].pop(8).split(" to ")]
        np.testing.assert_allclose(ends, mean_intervals((values - base)[:, None], 1)[:, 0], atol=5.1e-4)
        shown = [to_number(cell) for cell in rows[model]]
        np.testing.assert_allclose(shown[:8], expected[:8], atol=5.1e-4)
        np.testing.assert_allclose(shown[8:], expected[8:], rtol=0.051)
    assert rows["elastic-net"][5:] == ["–"] * 6


def test_pair_table_has_every_pair_without_the_baseline_once(
    parsed: PageParser, r: dict[str, list[float]]
) -> None:
    rows = {(row[0], row[1]): row[2:] for row in parsed.tables["pair-table"][1:]}
    others = [model for model in r if model != "elastic-net"]
    pairs = [(later, earlier) for i, later in enumerate(others) for earlier in others[:i]]
    assert list(rows) == pairs
    p = [wilcoxon(np.array(r[later]) - np.array(r[earlier])).pvalue for later, earlier in pairs]
    for (later, earlier), p_value, q in zip(pairs, p, false_discovery_control(p), strict=True):
        a, b = np.array(r[later]), np.array(r[earlier])
        expected = [60, a.mean(), b.mean(), (a > b).sum(), (a < b).sum(), (a - b).mean()]
        ends = [to_number(end) for end in rows[later, earlier].pop(6).split(" to ")]
        np.testing.assert_allclose(ends, mean_intervals((a - b)[:, None], 1)[:, 0], atol=5.1e-4)
        shown = [to_number(cell) for cell in rows[later, earlier]]
        np.testing.assert_allclose(shown[:6], expected, atol=5.1e-4)
        np.testing.assert_allclose(shown[6:], [p_value, q], rtol=0.051)


def test_two_models_need_no_table_of_pairs() -> None:
    assert "pair-table" not in PageParser(render_page(made_results(shifted(0.03)))).tables


@pytest.mark.parametrize(("n_models", "opened"), [(5, True), (6, False)])
def test_a_long_table_of_pairs_is_folded(n_models: int, opened: bool) -> None:
    r = {f"model{i}": shifted(0.01 * i)["transformer"] for i in range(n_models)}
    page = PageParser(render_page(made_results(r)))
    (attributes,) = (
        named for tag, named in page.tags if tag == "details" and named.get("id") == "pair-details"
    )
    assert ("open" in attributes) is opened


def test_gene_table_has_the_results_numbers(parsed: PageParser, r: dict[str, list[float]]) -> None:
    heading, *rows = parsed.tables["gene-table"]
    assert heading == ["Gene", "TSS", "Best model", "Best r", "q", "Variants", *r]
    rows.sort()
    assert [row[0] for row in rows] == [f"GENE{i:04d}" for i in range(60)]
    assert [to_number(row[5]) for row in rows] == [1000 + i for i in range(60)]
    values = np.array(list(r.values())).T
    shown = [[to_number(cell.removesuffix("c")) for cell in row[6:]] for row in rows]
    np.testing.assert_allclose(shown, values, atol=5.1e-4)
    assert [row[2] for row in rows] == [list(r)[i] for i in values.argmax(axis=1)]
    np.testing.assert_allclose([to_number(row[3]) for row in rows], values.max(axis=1), atol=5.1e-4)
    marked = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row[6:]) if cell.endswith("c")]
    assert marked == [(i, list(r).index("blup")) for i in range(7)]


def test_a_model_that_lacks_a_gene_shows_a_dash() -> None:
    r = shifted(0.03)
    r["transformer"][4] = float("nan")
    rows = sorted(PageParser(render_page(made_results(r))).tables["gene-table"][1:])
    assert rows[4][7] == "–"
    assert rows[5][7] != "–"


def test_genes_stand_by_their_best_r(r: dict[str, list[float]]) -> None:
    r = {model: [*values[:7], float("nan"), *values[8:]] for model, values in r.items()} | {"blup": r["blup"]}
    parsed = PageParser(render_page(made_results(r)))
    genes = [row[0] for row in parsed.tables["gene-table"][1:]]
    best = np.nanmax(np.array(list(r.values())), axis=0)
    assert genes == [f"GENE{i:04d}" for i in np.argsort(-best, kind="stable")]
    assert parsed.data["page-data"]["genes"] == genes
    (heading,) = (named for tag, named in parsed.tags if tag == "th" and "aria-sort" in named)
    assert heading["aria-sort"] == "descending"


def test_a_gene_whose_position_is_known_has_it(r: dict[str, list[float]]) -> None:
    parsed = PageParser(render_page(made_results(r), positions=[Gene("GENE0003", "chr22", 20_098_303)]))
    rows = {row[0]: row[1] for row in parsed.tables["gene-table"][1:]}
    assert rows.pop("GENE0003") == "chr22:20,098,304"
    assert set(rows.values()) == {"–"}
    places = dict(zip(parsed.data["page-data"]["genes"], parsed.data["page-data"]["places"], strict=True))
    assert places["GENE0003"] == ["chr22", 20_098_304]


def test_genes_are_called_by_symbol_and_id_where_a_symbol_is_known() -> None:
    results = made_results(shifted(0.03, n_genes=3))
    symbols = {"GENE0000": "COMT", "GENE0001": None, "GENE0002": "TBX1"}
    named = replace(results, metrics=with_symbols(results.metrics, symbols))
    parsed = PageParser(render_page(named))
    labels = {"COMT (GENE0000)", "GENE0001", "TBX1 (GENE0002)"}
    assert {row[0] for row in parsed.tables["gene-table"][1:]} == labels
    data = parsed.data["page-data"]
    assert dict(zip(data["genes"], data["symbols"], strict=True)) == symbols
    assert PageParser(render_page(results)).data["page-data"]["symbols"] == []


def test_without_script_200_genes_are_shown_and_the_page_says_so() -> None:
    page = render_page(made_results(shifted(0.03, n_genes=250)))
    parsed = PageParser(page)
    assert len(parsed.tables["gene-table"]) == 201
    assert len(parsed.data["page-data"]["genes"]) == 250
    assert "the first 200 of 250 genes stand here" in page


def test_cost_has_the_results_numbers(parsed: PageParser, page: str) -> None:
    assert parsed.tables["cost-table"][1:] == [["kmer", "24,680", "987,200", "40.0 times", "4 min 32 s"]]
    assert "1,357 tiles have 24,680 unique haplotype sequences" in page
    assert "The whole run took 1 h 6 min." in page


def test_zero_shot_models_stand_in_the_costs() -> None:
    results = made_results(shifted(0.03), embedding=None)
    results.summary["zero_shot"] = {
        "xpresso": {"forward_passes": 0, "naive_forward_passes": 5000, "seconds": 1.0}
    }
    parsed = PageParser(render_page(results))
    assert parsed.tables["cost-table"][1:] == [["xpresso", "0", "5,000", "all: read before", "1.0 s"]]


def test_time_by_stage_is_a_bar_each() -> None:
    results = made_results(shifted(0.03))
    results.summary["stages"] = {"embedding": 80.0, "fitting_folds": 20.0}
    page = render_page(results)
    assert PageParser(page).tables["stages"] == [
        ["embedding", "1 min 20 s", ""],
        ["fitting and predicting held-out samples", "20.0 s", ""],
    ]
    assert re.findall(r'style="width:([\d.]+)%"', page) == ["100.0", "25.0"]


def test_without_stages_there_is_no_table_of_them(parsed: PageParser) -> None:
    assert "stages" not in parsed.tables


def test_without_embedding_there_is_no_cost() -> None:
    parsed = PageParser(render_page(made_results(shifted(0.03), embedding=None)))
    assert "cost-table" not in parsed.tables
    assert ("a", {"href": "#cost"}) not in parsed.tags


def test_data_options_inputs_and_versions_are_listed(parsed: PageParser) -> None:
    assert parsed.tables["data"] == [
        ["samples shared", "120"],
        ["variants", "83,564"],
        ["missing rate", "0.00125"],
    ]
    options = {row[0]: row[1] for table in ("options", "defaults") for row in parsed.tables[table]}
    assert options["window"] == "196608"
    assert (options["dask"], options["assume_phased"]) == ("not set", "no")
    assert parsed.tables["inputs"] == [["variants", "/some/where/a.vcf.gzsha256:00ff"]]
    assert parsed.tables["versions"] == [["haploscribe", "9.8.7"], ["numpy", "2.4.1"]]


def test_hostile_names_stay_text() -> None:
    names = [f"{name}{i}" for i in range(12) for name in HOSTILE]
    r = {"elastic-net": shifted(0.03)["elastic-net"], "<b>bold</b>": shifted(0.03)["transformer"]}
    hostile = dict.fromkeys(HOSTILE, HOSTILE[0])
    inputs = {name: {"path": name, "digest": name} for name in HOSTILE}
    run = {"haploscribe": HOSTILE[1], "versions": hostile, "inputs": inputs, "data": hostile}
    parsed = PageParser(render_page(made_results(r, genes=names, run=run)))
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"img", "b"})
    assert len(parsed.scripts) == 1
    assert set(parsed.data["page-data"]["genes"]) == set(names)
    assert {row[0] for row in parsed.tables["gene-table"][1:]} == set(names)
    assert [row[0] for row in parsed.tables["inputs"]] == HOSTILE


@settings(max_examples=8, deadline=None)
@given(
    names=st.lists(PRINTABLE, min_size=3, max_size=3, unique=True),
    models=st.lists(PRINTABLE, min_size=2, max_size=2, unique=True),
)
def test_any_printable_name_reads_back(names: list[str], models: list[str]) -> None:
    results = made_results({model: [0.1, 0.2, 0.3] for model in models}, genes=names)
    parsed = PageParser(render_page(results))
    assert {row[0] for row in parsed.tables["gene-table"][1:]} == set(names)
    assert parsed.tables["gene-table"][0][6:] == models


def test_one_scatter_for_each_other_model(page: str, r: dict[str, list[float]]) -> None:
    drawn = re.findall(r'aria-label="Scatter of Pearson r per gene, (\S+) against elastic-net', page)
    assert drawn == [model for model in r if model != "elastic-net"]


def test_without_elastic_net_the_first_model_is_the_measure() -> None:
    r = shifted(0.03)
    results = made_results({"kmer": r["transformer"], "blup": r["elastic-net"]})
    parsed = PageParser(render_page(results))
    assert [row[0] for row in parsed.tables["model-table"][1:]] == ["kmer", "blup"]
    assert parsed.tables["model-table"][1][6] == "–"
    assert parsed.texts["answer"] == "Worse"
    assert "Δr vs kmer" in parsed.tables["model-table"][0]


def test_one_model_alone_makes_a_page() -> None:
    parsed = PageParser(render_page(made_results({"blup": [0.1, 0.3, 0.2]})))
    assert "scatter" not in parsed.texts
    assert "0.200" in render_page(made_results({"blup": [0.1, 0.3, 0.2]}))


def test_two_thousand_genes_stay_small() -> None:
    rng = np.random.default_rng(1)
    r = {model: rng.uniform(-0.1, 0.7, 2000).tolist() for model in ("elastic-net", "blup", "kmer", "nano")}
    genes = [f"ENSG{i:011d}.{i % 17}" for i in range(2000)]
    page = render_page(made_results(r, genes=genes))
    assert len(page.encode()) < 0.45e6


def test_script_data_are_the_results(parsed: PageParser, r: dict[str, list[float]]) -> None:
    data = parsed.data["page-data"]
    order = [int(gene.removeprefix("GENE")) for gene in data["genes"]]
    values = np.array(list(r.values()))[:, order]
    assert data["models"] == list(r)
    assert data["variants"] == [1000 + i for i in order]
    np.testing.assert_allclose(np.array(data["r"]) / 1000, values, atol=5.1e-4)
    assert data["best"] == values.argmax(axis=0).tolist()
    constant = [{order[k] for k in genes} for genes in data["constant"]]
    assert constant == [set(range(7)) if model == "blup" else set() for model in r]
    rows = {row[0]: to_number(row[4]) for row in parsed.tables["gene-table"][1:]}
    np.testing.assert_allclose(data["q"], [rows[gene] for gene in data["genes"]], rtol=0.051)


def test_a_gene_with_details_has_its_figures() -> None:
    details = {
        "GENE0001": GeneDetail(Predictions("transformer", *np.zeros((2, 5))), made_tracks("GENE0001"), 0.25),
        "GENE0002": GeneDetail(),
    }
    parsed = PageParser(render_page(made_results(shifted(0.03)), details))
    genes = parsed.data["page-data"]["genes"]
    numbers = [genes.index(gene) for gene in details]
    templates = [named["id"] for tag, named in parsed.tags if tag == "template"]
    assert templates == [f"detail-{number}" for number in sorted(numbers)]
    assert parsed.data["page-data"]["heritability"] == {str(numbers[0]): 0.25}
    labels = [named.get("aria-label") or "" for tag, named in parsed.tags if tag == "svg"]
    words = [label for label in labels if "GENE0001" in label]
    assert [word.split(" ")[0] for word in words] == ["Observed", "Region"]


def test_the_header_says_how_to_run_it_again_when_and_on_what() -> None:
    results = made_results(shifted(0.03))
    results.summary["finished"] = "2026-11-29T20:00:00+00:00"
    parsed = PageParser(render_page(results))
    assert parsed.texts["command"] == "haploscribe run --models elastic-net,transformer --out DIR"
    assert parsed.texts["finished"] == "2026-11-29T20:00:00+00:00"
    assert parsed.texts["backbone"] == "kmer"


def test_what_was_not_found_and_what_was_not_changed_is_folded() -> None:
    data = {"variants": 83564, "haploid calls": 0, "missing calls": "0 of 12 (0.00%)"}
    options = {"models": ["elastic-net", "transformer"], "window": 1000, "maf": 0.01, "seed": 0}
    parsed = PageParser(render_page(made_results(shifted(0.03), run={"data": data, "options": options})))
    assert parsed.tables["data"] == [["variants", "83,564"]]
    assert parsed.tables["not-found"] == [["haploid calls", "0"], ["missing calls", "0 of 12 (0.00%)"]]
    assert [row[0] for row in parsed.tables["options"]] == ["models", "window"]
    assert [row[0] for row in parsed.tables["defaults"]] == ["maf", "seed"]


def test_write_report_leaves_the_page_and_nothing_else(tmp_path: Path) -> None:
    results = made_results(shifted(0.03))
    write_made(tmp_path, results)
    before = set(tmp_path.iterdir())
    path = write_report(tmp_path)
    assert set(tmp_path.iterdir()) - before == {path}
    assert path.read_text(encoding="utf-8") == render_page(results)


def test_write_report_again_replaces_the_page(tmp_path: Path) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    (tmp_path / "report.html").write_text("old")
    assert write_report(tmp_path).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_folder_without_results_is_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no .*haploscribe run"):
        write_report(tmp_path)

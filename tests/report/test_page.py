"""The page: well-formed, complete in itself, and true to the results."""

import base64
import hashlib
import json
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
from haploscribe.report.page import render_page, write_report
from haploscribe.report.region_data import region_data
from tests.fixtures.results import PageParser, made_results, made_tracks, shifted, to_number, write_made

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
    wanted = {attributes[attribute] for _, attributes in parsed.tags if attribute in attributes}
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
    assert not re.search(r"https?:|url\(|@import|@font-face", page)


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
            p_value,
            q[model],
        ]
        ends = [to_number(end) for end in rows[model].pop(7).split(" to ")]
        np.testing.assert_allclose(ends, mean_intervals((values - base)[:, None], 1)[:, 0], atol=5.1e-4)
        shown = [to_number(cell) for cell in rows[model]]
        np.testing.assert_allclose(shown[:7], expected[:7], atol=5.1e-4)
        np.testing.assert_allclose(shown[7:], expected[7:], rtol=0.051)
    assert rows["elastic-net"][5:] == ["–"] * 5


def test_pair_table_has_every_pair_once(parsed: PageParser, r: dict[str, list[float]]) -> None:
    rows = {(row[0], row[1]): row[2:] for row in parsed.tables["pair-table"][1:]}
    pairs = [(later, earlier) for i, later in enumerate(r) for earlier in list(r)[:i]]
    assert list(rows) == pairs
    p = [wilcoxon(np.array(r[later]) - np.array(r[earlier])).pvalue for later, earlier in pairs]
    for (later, earlier), p_value, q in zip(pairs, p, false_discovery_control(p), strict=True):
        a, b = np.array(r[later]), np.array(r[earlier])
        expected = [60, a.mean(), b.mean(), (a > b).sum(), (a < b).sum()]
        ends = [to_number(end) for end in rows[later, earlier].pop(5).split(" to ")]
        np.testing.assert_allclose(ends, mean_intervals((a - b)[:, None], 1)[:, 0], atol=5.1e-4)
        shown = [to_number(cell) for cell in rows[later, earlier]]
        np.testing.assert_allclose(shown[:5], expected, atol=5.1e-4)
        np.testing.assert_allclose(shown[5:], [p_value, q], rtol=0.051)


def test_two_models_need_no_table_of_pairs() -> None:
    assert "pair-table" not in PageParser(render_page(made_results(shifted(0.03)))).tables


@pytest.mark.parametrize(("n_models", "opened"), [(4, True), (5, False)])
def test_a_long_table_of_pairs_is_folded(n_models: int, opened: bool) -> None:
    r = {f"model{i}": shifted(0.01 * i)["transformer"] for i in range(n_models)}
    page = PageParser(render_page(made_results(r)))
    (attributes,) = (named for tag, named in page.tags if tag == "details" and "id" not in named)
    assert ("open" in attributes) is opened


def test_gene_table_has_the_results_numbers(parsed: PageParser, r: dict[str, list[float]]) -> None:
    heading, *rows = parsed.tables["gene-table"]
    assert heading == ["Gene", "Variants", *r]
    rows.sort()
    assert [row[0] for row in rows] == [f"GENE{i:04d}" for i in range(60)]
    assert [to_number(row[1]) for row in rows] == [1000 + i for i in range(60)]
    shown = [[to_number(cell.removesuffix("c")) for cell in row[2:]] for row in rows]
    np.testing.assert_allclose(shown, np.array(list(r.values())).T, atol=5.1e-4)
    marked = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row[2:]) if cell.endswith("c")]
    assert marked == [(i, list(r).index("blup")) for i in range(7)]


def test_a_model_that_lacks_a_gene_shows_a_dash() -> None:
    r = shifted(0.03)
    r["transformer"][4] = float("nan")
    rows = sorted(PageParser(render_page(made_results(r))).tables["gene-table"][1:])
    assert rows[4][3] == "–"
    assert rows[5][3] != "–"


def test_genes_stand_by_the_r_of_the_best_model(r: dict[str, list[float]]) -> None:
    r = {model: list(values) for model, values in r.items()}
    best = max(r, key=lambda model: np.mean(r[model]))
    r[best][7] = float("nan")
    parsed = PageParser(render_page(made_results(r)))
    genes = [row[0] for row in parsed.tables["gene-table"][1:]]
    values = np.array(r[best])
    assert genes == [f"GENE{i:04d}" for i in np.argsort(np.nan_to_num(-values, nan=np.inf), kind="stable")]
    sorted_by = [named for tag, named in parsed.tags if tag == "th" and "aria-sort" in named]
    assert [named["aria-sort"] for named in sorted_by] == ["descending"]
    assert parsed.data["page-data"]["models"][parsed.data["page-data"]["sorted"]] == best


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
    options = {row[0]: row[1] for row in parsed.tables["options"]}
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


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(PRINTABLE, min_size=3, max_size=3, unique=True),
    models=st.lists(PRINTABLE, min_size=2, max_size=2, unique=True),
)
def test_any_printable_name_reads_back(names: list[str], models: list[str]) -> None:
    results = made_results({model: [0.1, 0.2, 0.3] for model in models}, genes=names)
    parsed = PageParser(render_page(results))
    assert {row[0] for row in parsed.tables["gene-table"][1:]} == set(names)
    assert parsed.tables["gene-table"][0][2:] == models


def test_one_scatter_for_each_other_model(page: str, r: dict[str, list[float]]) -> None:
    drawn = re.findall(r'aria-label="Scatter of Pearson r per gene, (\S+) against elastic-net', page)
    assert drawn == [model for model in r if model != "elastic-net"]


def test_without_elastic_net_the_first_model_is_the_measure() -> None:
    r = shifted(0.03)
    results = made_results({"kmer": r["transformer"], "blup": r["elastic-net"]})
    parsed = PageParser(render_page(results))
    assert [row[0] for row in parsed.tables["model-table"][1:]] == ["kmer", "blup"]
    assert parsed.tables["model-table"][1][6] == "–"
    assert "falls short of kmer" in parsed.texts["answer"]


def test_one_model_alone_makes_a_page() -> None:
    parsed = PageParser(render_page(made_results({"blup": [0.1, 0.3, 0.2]})))
    assert "scatter" not in parsed.texts
    assert "0.200" in parsed.texts["answer"]


def test_two_thousand_genes_stay_small() -> None:
    rng = np.random.default_rng(1)
    r = {model: rng.uniform(-0.1, 0.7, 2000).tolist() for model in ("elastic-net", "blup", "kmer", "nano")}
    genes = [f"ENSG{i:011d}.{i % 17}" for i in range(2000)]
    page = render_page(made_results(r, genes=genes))
    assert len(page.encode()) < 0.4e6


def test_script_data_are_the_results(parsed: PageParser, r: dict[str, list[float]]) -> None:
    data = parsed.data["page-data"]
    order = [int(gene.removeprefix("GENE")) for gene in data["genes"]]
    assert data["models"] == list(r)
    assert data["variants"] == [1000 + i for i in order]
    np.testing.assert_allclose(np.array(data["r"]) / 1000, np.array(list(r.values()))[:, order], atol=5.1e-4)
    constant = [{order[k] for k in genes} for genes in data["constant"]]
    assert constant == [set(range(7)) if model == "blup" else set() for model in r]
    for i, a in enumerate(r.values()):
        assert data["higher"][i] == [int((np.array(a) > np.array(b)).sum()) for b in r.values()]


def test_pairs_for_the_script_are_the_tables_pairs(parsed: PageParser, r: dict[str, list[float]]) -> None:
    models = list(r)
    for key, pair in parsed.data["page-data"]["pairs"].items():
        later, earlier = (r[models[int(place)]] for place in key.split())
        assert pair["means"] == pytest.approx([np.mean(later), np.mean(earlier)], abs=1e-6)
        assert float(pair["p"]) == pytest.approx(wilcoxon(np.subtract(later, earlier)).pvalue, rel=0.051)
        interval = mean_intervals(np.subtract(later, earlier)[:, None], 1)[:, 0]
        assert pair["ci"] == pytest.approx(interval, abs=1e-6)
    assert len(parsed.data["page-data"]["pairs"]) == 6


def test_regions_are_in_the_page_by_gene() -> None:
    tracks = made_tracks(HOSTILE[0])
    parsed = PageParser(render_page(made_results(shifted(0.03)), {HOSTILE[0]: tracks}))
    assert parsed.data["region-data"] == {HOSTILE[0]: json.loads(json.dumps(region_data(tracks)))}


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

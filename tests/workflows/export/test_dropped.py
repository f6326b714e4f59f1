"""What is lost with the variants that FUSION and FOCUS drop, against predictions from dosages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.workflows.export.dropped import DROPPED_SCHEMA, dropped_rows, is_dropped
from haploscribe.workflows.export.fusion import write_fusion
from tests.fixtures.exported import Fitted, fitted_gene, simple_gene


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A gene some of whose variants are A/T, C/G or indels."""
    made = fitted_gene(4)
    pairs = [("A", "T"), ("C", "T"), ("G", "C"), ("G", "A"), ("AT", "A")]
    n = len(made.gene.variants.refs)
    refs, alts = zip(*(pairs[i % len(pairs)] for i in range(n)), strict=True)
    return replace(made, gene=replace(made.gene, variants=replace(made.gene.variants, refs=refs, alts=alts)))


def test_all_are_dropped_but_snvs_that_tell_the_strand(fitted: Fitted) -> None:
    expected = [i % 5 in (0, 2, 4) for i in range(len(fitted.gene.variants.refs))]
    assert is_dropped(fitted.gene.variants).tolist() == expected


def test_what_is_lost_is_that_of_the_predictions(fitted: Fitted) -> None:
    table = dropped_rows([fitted.gene])
    dropped = is_dropped(fitted.gene.variants)
    for model in fitted.gene.models:
        row = table.row(by_predicate=pl.col("model") == model.model, named=True)
        kept = fitted.dosages[:, ~dropped] @ model.weights[~dropped]
        expected = 1.0 - np.corrcoef(fitted.predicted[model.model], kept)[0, 1] ** 2
        assert row["lost"] == pytest.approx(expected, abs=1e-9)
        assert row["n_weights"] == np.count_nonzero(model.weights)
        assert row["n_dropped"] == np.count_nonzero(model.weights[dropped])


def test_a_gene_of_such_variants_alone_is_lost_and_others_lose_nothing() -> None:
    all_lost, nothing_lost = simple_gene(alts=("T", "T")), simple_gene("ENSG2", alts=("G", "G"))
    assert dropped_rows([all_lost, nothing_lost])["lost"].to_list() == [1.0, 0.0]


def test_the_table_stands_beside_fusions_weights(fitted: Fitted, tmp_path: Path) -> None:
    write_fusion(tmp_path, [fitted.gene], "LCL", "b38")
    found = pl.read_csv(tmp_path / "LCL.dropped.tsv", separator="\t", schema=DROPPED_SCHEMA)
    assert found["model"].to_list() == [model.model for model in fitted.gene.models]

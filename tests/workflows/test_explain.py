"""What `explain` says of a gene is what its models do to people: by numpy, scipy, plink2 and `predict`."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pysam
import pysam.bcftools
import pytest
from scipy import stats

from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.examples.cohort import example_cohort
from haploscribe.interpret.explanation import Explanation
from haploscribe.interpret.window_alleles import LONGEST_STRETCH
from haploscribe.parallel.open import open_executor
from haploscribe.results.saved_models import SavedModels
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.explain import explain
from haploscribe.workflows.finished_run import RunFolder, finished_run
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.explained import explain_into
from tests.fixtures.peers import require_program

VARIANTS, TILES, ASKED, SATURATION = "variants.tsv", "tiles.tsv", "asked.tsv", "saturation.tsv"

GENE = "ENSG00000128191.9"
DOSAGE_MODELS = ("top-snp", "elastic-net", "blup", "susie")
SEQUENCE_MODELS = ("blup-delta", "transformer", "transformer-all", "ensemble-delta")
MODELS = (*DOSAGE_MODELS, "ensemble", *SEQUENCE_MODELS)
WINDOW = 60_000


@dataclass(frozen=True)
class Explained:
    """A run, and what was explained of it."""

    cohort: CohortOptions
    results: Path
    out: Path
    explanation: Explanation
    inputs: GeneInputs
    expression: Float64Array

    def model(self, name: str) -> Any:
        return SavedModels(self.results / "models").of_gene(0)[name]

    def ask(self, out: Path, **options: object) -> Explanation:
        asked = ExplanationOptions(self.results, GENE)
        return explain_into(replace(asked, **options), WorkerOptions(), out)  # type: ignore[arg-type]

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_csv(self.out / name, separator="\t")

    def allele(self, column: int) -> str:
        names = self.explanation.names
        return f"chr22:{names.positions[column] + 1}:{names.references[column]}:{names.alternates[column]}"


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    """One gene of the bundled cohort, explained."""
    results, out = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("explained")
    with example_cohort() as example:
        cohort = replace(example, genes=GENE, maf=0.05, window=WINDOW)
        run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=MODELS, folds=2), results)
        explanation = explain_into(ExplanationOptions(results, GENE), WorkerOptions(), out)
        with (
            open_executor(WorkerOptions()) as executor,
            finished_run(RunFolder.read(results), executor, out / "work", genes=GENE, models=None) as opened,
        ):
            (gene,) = opened.cohort.genes
            inputs, expression = opened.inputs(gene), opened.expression(gene)
        shutil.rmtree(out / "work")
        yield Explained(cohort, results, out, explanation, inputs, expression)


def deltas_of(pairs: list[tuple[bytes, bytes]]) -> Float64Array:
    """What the 6-mer counts of each first sequence have more than those of the second."""
    first, second = (KmerCounts().embed_sequences([pair[i] for pair in pairs])[:, 0] for i in (0, 1))
    return np.asarray(first - second, dtype=np.float64)


def switched(sequence: str, start: int, position: int, allele: str) -> str:
    """A sequence that starts at `start` with another base at `position`."""
    return sequence[: position - start] + allele + sequence[position - start + 1 :]


def per_word_of(model: Any, start: int) -> Float64Array:
    """What one occurrence more of each 6-mer in a tile adds, by the model's own numbers."""
    (place,) = [i for i, tile in enumerate(model.basis_.tiles) if tile.start == start]
    return np.asarray(model.basis_.axes @ model.effects_[place][0] * model.basis_.tiles[place].scale)


def reference_of(explained: Explained, start: int, end: int) -> str:
    with pysam.FastaFile(str(explained.cohort.reference)) as fasta:
        return str(fasta.fetch("chr22", start, end)).upper()


@pytest.mark.parametrize("model", DOSAGE_MODELS)
def test_effects_of_models_of_dosages_are_their_coefficients(explained: Explained, model: str) -> None:
    coefficients = explained.model(model).state().arrays["coefficients"]
    assert np.abs(coefficients).max() > 1e-3
    np.testing.assert_allclose(explained.explanation.effects[model], coefficients, atol=1e-9)


def test_effects_of_an_ensemble_are_the_mean_of_its_members(explained: Explained) -> None:
    effects = explained.explanation.effects
    members = [member.coefficients_ for member in explained.model("ensemble").members_.values()]
    assert len(members) == 4
    np.testing.assert_allclose(effects["ensemble"], np.mean(members, axis=0), atol=1e-9)


def window_of(explained: Explained) -> tuple[int, int]:
    """0-based half-open: both ends are half the window from the TSS."""
    tss, half = explained.explanation.gene.tss, explained.cohort.window // 2
    return tss - half, tss + half + 1


def test_alleles_are_those_of_bcftools(explained: Explained) -> None:
    """Positions count from 1, and frequencies are over everyone."""
    start, end = window_of(explained)
    region = f"chr22:{start + 1}-{end}"
    text = pysam.bcftools.query(
        "-f",
        "%POS\t%ID\t%REF\t%ALT[\t%GT]\n",
        "-r",
        region,
        "-i",
        "MAF>=0.05",
        str(explained.cohort.variants),
    )
    lines = [line.split("\t") for line in text.splitlines()]
    found = explained.table(VARIANTS)
    assert found["position"].to_list() == [int(line[0]) for line in lines]
    for number, column in ((1, "identifier"), (2, "ref"), (3, "alt")):
        assert found[column].to_list() == [line[number] for line in lines]
    frequencies = [np.mean([call.count("1") for call in line[4:]]) / 2 for line in lines]
    np.testing.assert_allclose(found["frequency"], frequencies, atol=1e-12)
    gene = explained.explanation.gene
    downstream = 1 if gene.strand == "+" else -1
    assert found["distance"].to_list() == [downstream * (int(line[0]) - 1 - gene.tss) for line in lines]
    assert found["gene_id"].unique().to_list() == [GENE]


def test_marginal_associations_are_those_of_scipy(explained: Explained) -> None:
    """On the expression that the models have learned: covariates taken out."""
    table = explained.table(VARIANTS)
    for column in range(0, table.height, 7):
        found = stats.linregress(explained.inputs.dosages[:, column], explained.expression)
        row = table.row(column, named=True)
        np.testing.assert_allclose(row["marginal_slope"], found.slope, rtol=1e-9)
        np.testing.assert_allclose(row["marginal_standard_error"], found.stderr, rtol=1e-9)
        np.testing.assert_allclose(row["marginal_log10_p"], np.log10(found.pvalue), rtol=1e-9)


def test_marginal_associations_are_those_of_plink2(explained: Explained, tmp_path: Path) -> None:
    """Genotypes as plink2 reads them from the VCF itself."""
    plink2 = require_program("plink2")
    phenotypes = tmp_path / "p.txt"
    lines = [
        f"{name}\t{value!r}"
        for name, value in zip(explained.inputs.sample_ids, explained.expression.tolist(), strict=True)
    ]
    phenotypes.write_text("\n".join(("#IID\texpression", *lines)) + "\n")
    start, end = window_of(explained)
    region = ("--chr", "22", "--from-bp", str(start + 1), "--to-bp", str(end))
    asked = ("--maf", "0.05", "--pheno", str(phenotypes), "--glm", "allow-no-covars", "omit-ref")
    command = (plink2, "--vcf", str(explained.cohort.variants), *region, *asked, "--threads", "1")
    subprocess.run((*command, "--out", str(tmp_path / "p")), check=True, capture_output=True)
    glm = pl.read_csv(tmp_path / "p.expression.glm.linear", separator="\t").unique("POS", keep="first")
    joined = explained.table(VARIANTS).join(glm, left_on="position", right_on="POS")
    assert joined.height > 100
    assert (joined["A1"] == joined["alt"]).all()
    np.testing.assert_allclose(joined["marginal_slope"], joined["BETA"], rtol=1e-4)
    np.testing.assert_allclose(10 ** joined["marginal_log10_p"].to_numpy(), joined["P"], rtol=1e-4)


def backgrounds(explained: Explained, column: int) -> tuple[tuple[int, int], str]:
    """The tile of a variant, and its commonest sequence among carriers, by bcftools' calls."""
    position = int(explained.explanation.names.positions[column])
    (span,) = [tuple(s) for s in explained.explanation.spans.tolist() if s[0] <= position < s[1]]
    start, end = span
    text = pysam.bcftools.query(
        "-f", "%POS\t%ALT[\t%GT]\n", "-r", f"chr22:{start + 1}-{end}", "-i", "MAF>=0.05",
        str(explained.cohort.variants),
    )  # fmt: skip
    lines = [line.split("\t") for line in text.splitlines()]
    places = [int(line[0]) - 1 for line in lines]
    calls = np.array([[allele for call in line[2:] for allele in call.split("|")] for line in lines])
    carriers = calls[:, calls[places.index(position)] == "1"]
    patterns, counts = np.unique(carriers, axis=1, return_counts=True)
    assert np.count_nonzero(counts == counts.max()) == 1
    sequence = reference_of(explained, start, end)
    for place, line, carried in zip(places, lines, patterns[:, counts.argmax()], strict=True):
        if carried == "1":
            sequence = switched(sequence, start, place, line[1])
    return (start, end), sequence


def one_background(explained: Explained) -> list[int]:
    """Columns whose commonest background is no matter of taste, far apart."""
    found = []
    for column in range(3, explained.inputs.positions.size, 23):
        try:
            backgrounds(explained, column)
        except AssertionError:
            continue
        found.append(column)
    assert len(found) > 3
    return found


def test_effects_of_blup_on_deltas_are_those_of_counted_words(explained: Explained) -> None:
    """Two pairs of sequences, their 6-mers, and the effects of the scores: numpy only."""
    model = explained.model("blup-delta")
    names = explained.explanation.names
    for column in one_background(explained):
        position = int(names.positions[column])
        (start, end), with_it = backgrounds(explained, column)
        reference = reference_of(explained, start, end)
        pairs = [
            (switched(reference, start, position, names.alternates[column]), reference),
            (with_it, switched(with_it, start, position, names.references[column])),
        ]
        per_word = per_word_of(model, start)
        deltas = deltas_of([(one.encode(), other.encode()) for one, other in pairs])
        expected = (deltas @ per_word).mean()
        assert abs(expected) > 1e-7
        np.testing.assert_allclose(explained.explanation.effects["blup-delta"][column], expected, atol=1e-6)


def test_effects_are_what_predict_says_of_people_who_differ_in_the_allele(
    explained: Explained, tmp_path: Path
) -> None:
    """Four people for each allele, written as a VCF: the allele alone or not, and its background."""
    columns, names = one_background(explained), explained.explanation.names
    alleles: dict[int, tuple[str, str]] = {}
    carried: list[set[int]] = [set()]
    for column in columns:
        position = int(names.positions[column])
        (start, end), with_it = backgrounds(explained, column)
        reference = reference_of(explained, start, end)
        background = {start + i for i, (a, b) in enumerate(zip(with_it, reference, strict=True)) if a != b}
        carried += [{position}, background, background - {position}]
        here = (names.positions >= start) & (names.positions < end)
        for i in np.flatnonzero(here).tolist():
            alleles[int(names.positions[i])] = (names.references[i], names.alternates[i])
    header = pysam.bcftools.view("-h", str(explained.cohort.variants)).splitlines()[:-1]
    people = [f"p{number}" for number in range(len(carried))]
    fields = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people)
    lines = [
        "\t".join(
            (
                *("chr22", str(position + 1), ".", *alleles[position], ".", ".", ".", "GT"),
                *(f"{int(position in has)}|0" for has in carried),
            )
        )
        for position in sorted(alleles)
    ]
    vcf = tmp_path / "people.vcf"
    vcf.write_text("\n".join((*header, "\t".join(fields), *lines)) + "\n")
    asked = PredictionOptions(
        explained.results / "models", vcf, explained.cohort.reference, absent_is_reference=True
    )
    predict(asked, WorkerOptions(), tmp_path / "p.parquet")
    predictions = pl.read_parquet(tmp_path / "p.parquet")
    for model in SEQUENCE_MODELS:
        found = predictions.filter(model=model)["predicted"].to_numpy()
        alone, with_it_, without = found[1:].reshape(-1, 3).T
        expected = ((alone - found[0]) + (with_it_ - without)) / 2
        np.testing.assert_allclose(explained.explanation.effects[model][columns], expected, atol=2e-6)
        assert np.abs(expected).max() > 1e-4


def test_effects_on_a_sample_are_those_of_copies_written_into_its_genotypes(
    explained: Explained, tmp_path: Path
) -> None:
    """By `predict`, of people who are that sample but for one allele."""
    sample, column = "HG00097", one_background(explained)[0]
    explained.ask(tmp_path / "asked", models=("blup", *SEQUENCE_MODELS), sample=sample)
    table = pl.read_csv(tmp_path / "asked" / "sample.tsv", separator="\t")
    calls = pysam.bcftools.query(
        "-s", sample, "-f", "%POS\t%REF\t%ALT[\t%GT]\n", str(explained.cohort.variants)
    )
    changed = str(explained.explanation.names.positions[column] + 1)
    carried, lines = {}, []
    for position, ref, alt, call in (line.split("\t") for line in calls.splitlines()):
        carried[position] = call
        own = ("0|0", "1|0", "0|1", "1|1") if position == changed else (call,) * 4
        lines.append("\t".join(("chr22", position, ".", ref, alt, ".", ".", ".", "GT", *own)))
    ones = {"1|0": [1], "0|1": [2]}.get(carried[changed], [1, 2])
    header = pysam.bcftools.view("-h", str(explained.cohort.variants)).splitlines()[:-1]
    fields = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "a", "b", "c", "d")
    vcf = tmp_path / "people.vcf"
    vcf.write_text("\n".join((*header, "\t".join(fields), *lines)) + "\n")
    predict(
        PredictionOptions(explained.results / "models", vcf, explained.cohort.reference),
        WorkerOptions(),
        tmp_path / "p.parquet",
    )
    predictions = pl.read_parquet(tmp_path / "p.parquet")
    assert table["copies"].to_list() == [carried[str(place)].count("1") for place in table["position"]]
    for model in ("blup", *SEQUENCE_MODELS):
        found = predictions.filter(model=model).sort("sample_id")["predicted"].to_numpy()
        expected = [found[ones].mean() - found[0], found[3] - found[0]]
        asked = table.select(f"one_copy_{model}", f"two_copies_{model}").row(column)
        np.testing.assert_allclose(asked, expected, atol=2e-6)
        assert np.abs(expected).max() > 1e-4


def test_a_named_allele_has_the_effect_that_it_has_among_all(explained: Explained, tmp_path: Path) -> None:
    """However it is spelled: with other contig naming, lower case, commas, or bases that change nothing."""
    column = one_background(explained)[0]
    names = explained.explanation.names
    position, ref, alt = int(names.positions[column]), names.references[column], names.alternates[column]
    before, behind = (
        reference_of(explained, position - 1, position),
        reference_of(explained, position + 1, position + 3),
    )
    spelled = (
        explained.allele(column),
        explained.allele(column).removeprefix("chr").lower(),
        f"chr22:{position + 1:,}:{ref}:{alt}",
        f"chr22:{position}:{before}{ref}:{before}{alt}",
        f"chr22:{position + 1}:{ref}{behind}:{alt}{behind}",
    )
    found = explained.ask(tmp_path / "o", variants=spelled)
    for model in SEQUENCE_MODELS:
        expected = explained.explanation.effects[model][column]
        np.testing.assert_allclose(found.queried_effects[model], expected, atol=1e-6)
    table = pl.read_csv(tmp_path / "o" / ASKED, separator="\t")
    assert table["position"].to_list() == [*[position + 1] * 3, position, position + 1]
    assert table["ref"].to_list()[3:] == [before + ref, ref + behind]


def test_alleles_that_nobody_carries_have_an_effect(explained: Explained, tmp_path: Path) -> None:
    """Indels, an MNV, both ends of the window; by hand where no known variant is near."""
    spans, names = explained.explanation.spans, explained.explanation.names
    start, end = window_of(explained)
    taken = set(names.positions.tolist())
    free = next(p for p in range(start + 20_000, end) if not taken & set(range(p - 8, p + 9)))
    here = reference_of(explained, free, free + 4)
    complement = here.translate(str.maketrans("ACGT", "TGCA"))
    wanted = [
        (free, here[:1], f"{here[:1]}ACGTT"),
        (free, here, here[:1]),
        (free, here, complement),
        (start, *_substitution(reference_of(explained, start, start + 1))),
        (end - 1, *_substitution(reference_of(explained, end - 1, end))),
        (end - 2, reference_of(explained, end - 2, end + 3), reference_of(explained, end - 2, end - 1)),
    ]
    found = explained.ask(
        tmp_path / "o", variants=tuple(f"chr22:{p + 1}:{ref}:{alt}" for p, ref, alt in wanted),
        models=("blup-delta",),
    )  # fmt: skip
    effects = found.queried_effects["blup-delta"]
    assert np.isfinite(effects).all()
    model = explained.model("blup-delta")
    seen = {tile.start for tile in model.basis_.tiles}
    for (position, ref, alt), effect in zip(wanted, effects.tolist(), strict=True):
        (span,) = [s for s in spans.tolist() if s[0] <= position < s[1]]
        if span[0] not in seen:
            assert effect == 0.0
            continue
        sequence = reference_of(explained, *span)
        place = position - span[0]
        changed = sequence[:place] + alt + sequence[place + len(ref) :]
        alone = float((deltas_of([(changed.encode(), sequence.encode())]) @ per_word_of(model, span[0]))[0])
        if taken & set(range(position - 8, position + len(ref) + 8)):
            continue
        np.testing.assert_allclose(effect, alone, atol=1e-6)  # no other variant near: words of it alone


def test_another_base_at_a_known_place_is_not_hidden_by_the_known_one(
    explained: Explained, tmp_path: Path
) -> None:
    """Where most people carry ALT, a third base on their background stands in its place."""
    names, frequencies = explained.explanation.names, explained.explanation.frequencies
    model = explained.model("blup-delta")
    taken = names.positions
    alone_there = [np.count_nonzero(np.abs(taken - place) < 12) == 1 for place in taken.tolist()]
    column = int(np.argmax(np.where(alone_there, frequencies, 0.0)))
    assert frequencies[column] > 0.6
    position, ref = int(taken[column]), names.references[column]
    other = next(base for base in "ACGT" if base not in (ref, names.alternates[column]))
    found = explained.ask(tmp_path / "o", variants=(f"chr22:{position + 1}:{ref}:{other}",))
    (span,) = [s for s in explained.explanation.spans.tolist() if s[0] <= position < s[1]]
    sequence = reference_of(explained, *span)
    changed = switched(sequence, span[0], position, other)
    expected = float((deltas_of([(changed.encode(), sequence.encode())]) @ per_word_of(model, span[0]))[0])
    assert abs(expected) > 1e-5
    np.testing.assert_allclose(found.queried_effects["blup-delta"], expected, atol=1e-6)


def _substitution(base: str) -> tuple[str, str]:
    return base, next(other for other in "ACGT" if other != base)


def test_saturation_has_every_base_thrice_on_the_reference(explained: Explained, tmp_path: Path) -> None:
    names = explained.explanation.names
    column = one_background(explained)[1]
    position = int(names.positions[column])
    found = explained.ask(tmp_path / "o", saturate=f"chr22:{position - 4}-{position + 5}")
    table = pl.read_csv(tmp_path / "o" / SATURATION, separator="\t")
    assert table["position"].to_list() == [p for p in range(position - 4, position + 6) for _ in range(3)]
    sequence = reference_of(explained, position - 5, position + 5)
    for (place,), rows in table.group_by("position", maintain_order=True):
        base = sequence[int(str(place)) - position + 4]
        assert rows["ref"].unique().to_list() == [base]
        assert set(rows["alt"]) == set("ACGT") - {base}
    (row,) = table.with_row_index().filter(position=position + 1, alt=names.alternates[column])["index"]
    model = explained.model("blup-delta")
    (span,) = [s for s in explained.explanation.spans.tolist() if s[0] <= position < s[1]]
    reference = reference_of(explained, *span)
    changed = switched(reference, span[0], position, names.alternates[column])
    per_word = per_word_of(model, span[0])
    expected = (deltas_of([(changed.encode(), reference.encode())]) @ per_word)[0]
    np.testing.assert_allclose(found.mutation_effects["blup-delta"][row], expected, atol=1e-6)


def test_tile_weights_are_the_spread_of_the_tiles_part(explained: Explained) -> None:
    """For models that add up over tiles, computed apart from dosages and from haplotypes' deltas."""
    weights, spans = explained.explanation.tile_weights, explained.explanation.spans
    positions, dosages = explained.inputs.positions, explained.inputs.dosages.astype(np.float64)
    for name in DOSAGE_MODELS:
        coefficients = explained.model(name).state().arrays["coefficients"]
        for (start, end), weight in zip(spans.tolist(), weights[name].tolist(), strict=True):
            here = (positions >= start) & (positions < end)
            np.testing.assert_allclose(weight, (dosages[:, here] @ coefficients[here]).std(), atol=1e-9)
    model = explained.model("blup-delta")
    tiles = {tile.start: tile for tile in explained.inputs.tiles}
    for (start, _), weight in zip(spans.tolist(), weights["blup-delta"].tolist(), strict=True):
        expected = 0.0
        for centre, effects in zip(model.basis_.tiles, model.effects_, strict=True):
            if centre.start == start:
                values = tiles[start].deltas[:, 0].astype(np.float64) @ model.basis_.axes @ effects[0]
                expected = float((values * centre.scale)[tiles[start].index].sum(axis=1).std())
        np.testing.assert_allclose(weight, expected, atol=1e-6)
    assert weights["blup-delta"].max() > 1e-3


def test_attention_is_a_distribution_over_tiles(explained: Explained) -> None:
    attention = explained.explanation.attention
    assert set(attention) == {"transformer"}
    seen = np.nan_to_num(attention["transformer"])
    assert (seen >= 0).all()
    np.testing.assert_allclose(seen.sum(), 1.0, atol=1e-6)
    carried = {tile.start for tile in explained.inputs.tiles}
    starts = explained.explanation.spans[:, 0].tolist()
    missing = np.isnan(attention["transformer"]).tolist()
    assert missing == [start not in carried for start in starts]


def test_tables_have_their_columns(explained: Explained) -> None:
    assert {path.name for path in explained.out.iterdir()} == {VARIANTS, TILES, "region.svg"}
    assert explained.table(VARIANTS).columns == [
        *("gene_id", "contig", "position", "ref", "alt", "identifier", "distance", "frequency"),
        *("marginal_slope", "marginal_standard_error", "marginal_log10_p", "prior_distance"),
        *(f"effect_{model}" for model in MODELS),
    ]
    tiles = explained.table(TILES)
    assert tiles.columns == [
        *("gene_id", "contig", "start", "end", "distance"),
        *(f"weight_{model}" for model in MODELS),
        "attention_transformer",
    ]
    assert tiles["start"].to_list()[1:] == tiles["end"].to_list()[:-1]
    for name in (VARIANTS, TILES):
        assert "NaN" not in (explained.out / name).read_text()
    for model in MODELS:
        written = explained.table(VARIANTS)[f"effect_{model}"].to_numpy()
        np.testing.assert_array_equal(written, explained.explanation.effects[model])


def test_the_same_command_leaves_the_same_bytes(explained: Explained, tmp_path: Path) -> None:
    """Twice, with two processes, and over what an earlier question has left."""
    names = (VARIANTS, TILES, "region.svg")
    first = {name: (explained.out / name).read_bytes() for name in names}
    out = tmp_path / "o"
    asked = ExplanationOptions(explained.results, GENE, variants=(explained.allele(0),))
    explain_into(asked, WorkerOptions(), out)
    assert (out / ASKED).exists()
    explain_into(replace(asked, gene=GENE.split(".", maxsplit=1)[0], variants=()), WorkerOptions(jobs=2), out)
    assert {path.name for path in out.iterdir()} == set(names)
    assert {name: (out / name).read_bytes() for name in names} == first


ASKED_WRONGLY: Mapping[str, tuple[dict[str, object], str]] = {
    "unknown gene": ({"gene": "ENSG1"}, "not in the models of"),
    "unknown model": ({"models": ("lasso",)}, "no trained model 'lasso'"),
    "no text": ({"variants": ("",)}, "chr:pos:ref:alt"),
    "garbage": ({"variants": ("chr22:x:A:G",)}, "chr:pos:ref:alt"),
    "digits that are no number": ({"variants": ("chr22:\u00b2:A:G",)}, "chr:pos:ref:alt"),
    "N": ({"variants": ("chr22:20000000:N:G",)}, "chr:pos:ref:alt"),
    "no ALT": ({"variants": ("chr22:20000000:A:",)}, "chr:pos:ref:alt"),
    "several ALTs": ({"variants": ("chr22:20000000:A:G,T",)}, "chr:pos:ref:alt"),
    "symbol": ({"variants": ("chr22:20000000:A:<DEL>",)}, "chr:pos:ref:alt"),
    "another contig": ({"variants": ("chr21:20000000:A:G",)}, "outside the window"),
    "before the contig": ({"variants": ("chr22:0:A:G",)}, "outside the window"),
    "far away": ({"variants": ("chr22:1:A:G",)}, "outside the window"),
    "stretch outside": ({"saturate": "chr22:1-10"}, "outside the window"),
    "stretch of another contig": ({"saturate": "chr1:20000000-20000010"}, "outside the window"),
    "stretch reversed": ({"saturate": "chr22:20000010-20000000"}, "--saturate"),
    "no stretch": ({"saturate": "chr22"}, "--saturate"),
    "models of no sequence": (
        {"models": ("blup",), "variants": ("chr22:20000000:A:G",)},
        "model that reads sequence",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED_WRONGLY)
def test_what_cannot_be_asked_is_refused_in_a_line(explained: Explained, tmp_path: Path, case: str) -> None:
    options, message = ASKED_WRONGLY[case]
    with pytest.raises(InputError, match=message) as caught:
        explained.ask(tmp_path / "o", **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_borders_of_the_window_and_its_reference_are_held(explained: Explained, tmp_path: Path) -> None:
    start, end = window_of(explained)
    behind, last = reference_of(explained, end, end + 1), reference_of(explained, end - 1, end)
    wrong = next(base for base in "ACGT" if base != last)
    for allele, message in (
        (f"chr22:{end + 1}:{behind}:{behind}A", "outside the window"),
        (f"chr22:{end}:{wrong}:{last}", f"the reference has {last} there"),
        (f"chr22:{end}:{last}:{last}", "another ALT"),
    ):
        with pytest.raises(InputError, match=message):
            explained.ask(tmp_path / "o", variants=(allele,))
    for stretch, message in (
        (f"chr22:{start}-{start + 5}", "outside the window"),
        (f"chr22:{end - 5}-{end + 1}", "outside the window"),
        (f"chr22:{start + 1}-{start + LONGEST_STRETCH + 1}", f"give {LONGEST_STRETCH:,} at most"),
    ):
        with pytest.raises(InputError, match=message):
            explained.ask(tmp_path / "o", saturate=stretch)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def copied(explained: Explained, tmp_path: Path) -> tuple[Path, CohortOptions]:
    """The results, and a record that names copies of the inputs."""
    results = tmp_path / "results"
    shutil.copytree(explained.results, results)
    record = json.loads((results / "run.json").read_text())
    folder = tmp_path / "inputs"
    folder.mkdir()
    cohort = explained.cohort
    for name in ("variants", "expression"):
        path = folder / getattr(cohort, name).name
        shutil.copy(getattr(cohort, name), path)
        record["options"][name] = record["inputs"][name]["path"] = str(path)
        cohort = replace(cohort, **{name: path})
    (results / "run.json").write_text(json.dumps(record))
    return results, cohort


def refused(results: Path, message: str, gene: str = GENE) -> None:
    out = results.with_name("o")
    with pytest.raises(InputError, match=message) as caught:
        explain_into(ExplanationOptions(results, gene), WorkerOptions(), out)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_inputs_that_have_changed_or_are_gone_are_named(copied: tuple[Path, CohortOptions]) -> None:
    results, cohort = copied
    with cohort.expression.open("ab") as file:
        file.write(b"\n")
    refused(results, f"{cohort.expression.name} has changed since the run")
    cohort.expression.unlink()
    refused(results, f"{cohort.expression.name}, listed in .* does not exist")


@pytest.mark.parametrize(
    "gone", ["summary.json", "run.json", "models/models.json", "models/genes/000000.safetensors"]
)
def test_results_that_are_not_whole_are_refused(copied: tuple[Path, CohortOptions], gone: str) -> None:
    results, _ = copied
    (results / gone).unlink()
    refused(results, Path(gone).name)


def test_another_backbone_is_refused(copied: tuple[Path, CohortOptions]) -> None:
    results, _ = copied
    record = json.loads((results / "run.json").read_text())
    record["options"]["backbone"] = "nano"
    (results / "run.json").write_text(json.dumps(record))
    refused(results, "was kmer.* in the run of")


def test_a_run_without_its_store_is_explained_alike(
    explained: Explained, copied: tuple[Path, CohortOptions]
) -> None:
    """And nothing is left in the results."""
    results, _ = copied
    shutil.rmtree(results / "embeddings.zarr")
    before = sorted(results.rglob("*"))
    out = results.with_name("o")
    explain_into(ExplanationOptions(results, GENE, models=("blup-delta",)), WorkerOptions(), out)
    found = pl.read_csv(out / VARIANTS, separator="\t")["effect_blup-delta"]
    np.testing.assert_allclose(found, explained.explanation.effects["blup-delta"], atol=1e-6)
    assert sorted(results.rglob("*")) == before


def test_results_that_may_only_be_read_are_explained(
    explained: Explained, copied: tuple[Path, CohortOptions]
) -> None:
    """No file of the results is written to, made or removed."""
    results, _ = copied
    with ExitStack() as stack:
        for path in (results, *results.rglob("*")):
            mode = path.stat().st_mode
            stack.callback(path.chmod, mode)
            path.chmod(mode & ~0o222)
        before = {path: path.stat().st_mtime_ns for path in (results, *results.rglob("*"))}
        out = results.with_name("o")
        explain_into(ExplanationOptions(results, GENE, models=("blup-delta",)), WorkerOptions(), out)
        assert {path: path.stat().st_mtime_ns for path in (results, *results.rglob("*"))} == before
    assert (out / TILES).exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gene": "nobody"}, "1 of 1 ids are not in the models"),
        ({"variants": ("chr22:1:A:G",)}, "--variant chr22:1:A:G: lies outside the window"),
        ({"variants": ("chr22",)}, "--variant chr22: write it as chr:pos:ref:alt"),
        ({"saturate": "chr22:1-5"}, "--saturate chr22:1-5: lies outside the window"),
        ({"models": ("nothing",)}, "no trained model 'nothing'"),
        ({}, "has changed since the run"),
    ],
)
def test_names_are_checked_before_the_inputs_are_read(
    explained: Explained, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    results = tmp_path / "results"
    shutil.copytree(explained.results, results, ignore=shutil.ignore_patterns("embeddings.zarr"))
    record = json.loads((results / "run.json").read_text())
    record["inputs"]["variants"]["digest"] = "0" * 32
    (results / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=re.escape(said)):
        explain(replace(ExplanationOptions(results, GENE), **options), WorkerOptions())

"""Combine finished runs of different genes in the same samples into one: the subcommand `combine`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from haploscribe.cohort.missing_calls import MissingCalls
from haploscribe.cohort.scan import N_USED
from haploscribe.config.options import MODELS_NAME
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.effect_prior import HasemanElstonMoments
from haploscribe.estimators.cross_gene.learners import EffectPriorLearner
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.metrics import METRIC_SCHEMA, summarise_models, with_symbols
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.genes import Gene
from haploscribe.results.cross_gene_files import CROSS_GENE, LearnedAcrossGenes, read_learned, write_learned
from haploscribe.results.models_folder import (
    copy_gene,
    known_blocks,
    read_known_variants,
    write_known_variants,
    write_record,
)
from haploscribe.results.provenance import describe_difference, describe_version_difference, input_record
from haploscribe.results.tables import (
    AnnotationSummary,
    Results,
    Summary,
    scan_predictions,
    write_predictions,
    write_results,
)
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write
from haploscribe.workflows.finished_run import RunFolder
from haploscribe.workflows.run.existing import holds_work, not_compared
from haploscribe.workflows.run.held_out import GENES_IN_MEMORY

GENES_NAME = "genes.txt"
"""The list of all genes, in the combined results: their `--genes`."""

_MAY_DIFFER = ("variants", "genes", "contig")
_OF_ALL_GENES = ("covariates", "hidden factors", "genes for expression heterogeneity")
"""Facts of the inputs that do not add up over runs."""


class _Source(NamedTuple):
    """Where a gene of the combined run is: the index of its run, and its index in that."""

    run: int
    number: int
    gene: Gene


def combine(folders: Sequence[Path], out: Path, *, force: bool = False) -> Results:
    """Combine finished runs of different genes as if one run had done them all.

    Predictions and saved models are taken over to the bit; metrics, false discovery rates, paired tests and
    the report are computed over all genes. Contigs are in the order of the runs. Where a variant is in the
    windows of two runs, its calls count in both.

    Parameters
    ----------
    folders
        Results of two runs or more of the same samples, folds, models, options and versions.
    out
        Folder of the results; a new one, or an empty one.
    force
        Replace the results that `out` holds.

    Returns
    -------
    Results
        What `out` holds, predictions left out.

    Raises
    ------
    InputError
        When a folder is not that of a finished run; when runs disagree, have a gene in common or a model that
        learned from all genes of its run together; when `out` holds anything. Nothing is written then.
    """
    if len(set(map(Path.resolve, folders))) < max(len(folders), 2):
        raise InputError("give the results of two runs or more, each once")
    _check_free(folders, out, force=force)
    runs = [RunFolder.read(folder) for folder in folders]
    for run in runs[1:]:
        _require_alike(runs[0], run)
    _refuse_multi_gene_models(runs[0])
    sources = _in_order(runs)
    with atomic_write(out) as aside:
        aside.mkdir()
        return _write(runs, sources, aside, out)


def _check_free(folders: Sequence[Path], out: Path, *, force: bool) -> None:
    if out.resolve() in map(Path.resolve, folders):
        raise InputError(f"--out {out} is one of the runs to be combined; name another folder")
    if holds_work(out) and not force:
        raise InputError(f"--out {out} holds a run; name another folder, or --force to replace it")
    if out.exists() and not holds_work(out) and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"--out {out} is there and holds no run; name another folder")


def _require_alike(first: RunFolder, run: RunFolder) -> None:
    """Raise InputError where two runs differ in anything but their genes and the files of their variants."""
    ignored = (*_MAY_DIFFER, *not_compared(first.saved.record.model_names))
    recorded = run.results.run, first.results.run
    where = str(first.folder)
    difference = describe_version_difference(*recorded, f"that of {where}") or describe_difference(
        *recorded, ignored, where
    )
    if difference is not None:
        raise InputError(f"{run.folder} is a run {difference}; combine runs that differ in their genes alone")
    folds = [_folds(one.folder) for one in (run, first)]
    if not folds[0].equals(folds[1]):
        names = pl.concat(folds).filter(pl.struct("sample_id", "fold").is_unique())["sample_id"].to_list()
        raise InputError(
            f"{run.folder} has other samples or folds than {where} (such as of {names[0]}); combine runs of "
            "the same samples, --folds, --split and --seed"
        )
    mine, theirs = (_settings(one) for one in (run, first))
    for name, value in mine.items():
        if value != theirs[name]:
            raise InputError(
                f"{run.folder} has models with {name} {value}, {where} with {theirs[name]}; combine runs of "
                "the same models"
            )


def _folds(folder: Path) -> pl.DataFrame:
    """Return the samples that are held out in each fold."""
    predictions = scan_predictions(folder).select("sample_id", "fold").unique()
    return predictions.sort("sample_id", "fold").collect()


def _settings(run: RunFolder) -> dict[str, Any]:
    """Return what models were trained with, beside options that `run.json` has."""
    record = run.saved.record
    names = ("models", "tile", "n_samples", "backbone_key", "zero_shot")
    return {name.replace("_", " "): getattr(record, name) for name in names}


def _refuse_multi_gene_models(run: RunFolder) -> None:
    for name, spec in run.saved.specs.items():
        if spec.capabilities.across_genes:
            raise InputError(
                f"{run.folder}: {name} learned from all genes of its run together, and there is one for each "
                "run; combine runs of other models"
            )


def _in_order(runs: Sequence[RunFolder]) -> list[_Source]:
    """Return all genes in the order of one run: of contigs, TSS and name."""
    found: dict[str, _Source] = {}
    for index, run in enumerate(runs):
        for number, gene in enumerate(run.saved.record.genes):
            if gene.gene_id in found:
                there = runs[found[gene.gene_id].run].folder
                raise InputError(
                    f"gene {gene.gene_id} is in {there} and in {run.folder}; combine runs of different genes"
                )
            found[gene.gene_id] = _Source(index, number, gene)
    rank = {contig: i for i, contig in enumerate(dict.fromkeys(one.gene.contig for one in found.values()))}
    return sorted(found.values(), key=lambda one: (rank[one.gene.contig], one.gene.tss, one.gene.gene_id))


def _write(runs: Sequence[RunFolder], sources: Sequence[_Source], folder: Path, out: Path) -> Results:
    """Write all files of the combined run to a folder that will be `out`."""
    from haploscribe.report.page import write_report  # noqa: PLC0415 - loads matplotlib

    genes = tuple(source.gene for source in sources)
    write_predictions(folder, _predictions(runs, sources), folder)
    _write_models(runs, sources, folder / MODELS_NAME)
    _write_cross_gene(runs, sources, folder / CROSS_GENE)
    _write_missing(runs, folder)
    (folder / GENES_NAME).write_text("".join(f"{gene.gene_id}\n" for gene in genes), encoding="utf-8")
    tables = [run.results.metrics.select(METRIC_SCHEMA.names()) for run in runs]
    symbols = {gene.gene_id: gene.symbol for gene in genes}
    metrics = with_symbols(pl.concat(tables).sort("gene_id", "model"), symbols)
    order = genome_order(genes)
    summary = _summary([run.results.summary for run in runs], taken=_takes_cross_gene(runs[0]))
    summary["models"] = summarise_models(metrics, order)
    compared, record = compare_models(metrics, order), _record(runs, folder, out)
    results = Results(metrics, compared, summary, record, fitted=runs[0].saved.record.model_names)
    write_results(folder, results)
    write_report(folder, results)
    return results


def _predictions(runs: Sequence[RunFolder], sources: Sequence[_Source]) -> Iterator[pl.DataFrame]:
    for first in range(0, len(sources), GENES_IN_MEMORY):
        part = sources[first : first + GENES_IN_MEMORY]
        ids = [source.gene.gene_id for source in part]
        read = [
            scan_predictions(runs[index].folder).filter(pl.col("gene_id").is_in(ids))
            for index in dict.fromkeys(source.run for source in part)
        ]
        rank = {gene_id: i for i, gene_id in enumerate(ids)}
        yield (
            pl.concat(read)
            .collect()
            .sort(pl.col("gene_id").replace_strict(rank, return_dtype=pl.Int64), maintain_order=True)
        )


def _write_models(runs: Sequence[RunFolder], sources: Sequence[_Source], folder: Path) -> None:
    """Copy the models of every gene, merge the variants that they know, and write the record."""
    for number, source in enumerate(sources):
        copy_gene(runs[source.run].saved.folder, source.number, folder, number)
    blocks: dict[tuple[str, int], list[Path]] = {}
    for run in runs:
        for block in known_blocks(run.saved.folder):
            blocks.setdefault(block, []).append(run.saved.folder)
    for (contig, number), places in blocks.items():
        known = read_known_variants(places[0], contig, number)
        for place in places[1:]:
            known = known.merge(read_known_variants(place, contig, number))
        write_known_variants(folder, number, known)
    genes = tuple(source.gene for source in sources)
    write_record(folder, replace(runs[0].saved.record, genes=genes))


def _write_cross_gene(runs: Sequence[RunFolder], sources: Sequence[_Source], folder: Path) -> None:
    """Write what all genes show, but of annotations, which each run scaled by its own variants."""
    if not all((run.folder / CROSS_GENE).is_dir() for run in runs):
        return
    by_fold = {}
    for number in [0, *_folds(runs[0].folder)["fold"].unique().to_list()]:
        learned = [read_learned(run.folder / CROSS_GENE, number) for run in runs]
        if len({one.samples for one in learned}) > 1:
            raise InputError(
                "the runs learned across genes in different training samples; combine runs of the same ones"
            )
        moments = [
            HasemanElstonMoments(prior.kernels[1 + source.number], prior.outcomes[1 + source.number])
            for source in sources
            for prior in [learned[source.run].prior]
        ]
        by_fold[number] = LearnedAcrossGenes(learned[0].samples, EffectPriorLearner().combine(moments))
    write_learned(folder, by_fold, None)


def _write_missing(runs: Sequence[RunFolder], folder: Path) -> None:
    """Write the tables of missing calls, where any run has some."""
    n_variants = [int(run.results.run.get("data", {}).get(N_USED, 0)) for run in runs]
    read = [MissingCalls.read(run.folder, n) for run, n in zip(runs, n_variants, strict=True)]
    named = {sample_ids for sample_ids, _ in filter(None, read)}
    if not named:
        return
    if len(named) > 1:
        raise InputError(
            "the runs have missing-samples.tsv of other samples; combine runs of the same samples"
        )
    (sample_ids,) = named
    by_run = {
        ("", i): found[1] if found else MissingCalls.none(n_variants[i], len(sample_ids))
        for i, found in enumerate(read)
    }
    MissingCalls.merged(by_run, len(sample_ids)).write(folder, sample_ids)


def _takes_cross_gene(run: RunFolder) -> bool:
    return run.results.run["options"].get("cross_gene") is not None


def _summary(summaries: Sequence[Summary], *, taken: bool) -> Summary:
    """Add what the runs took; the models' part is left to be filled.

    `taken` says that all took the effects of annotations from one other run.
    """
    combined = Summary(
        models={},
        embedding=None,
        stages=_added([one.get("stages", {}) for one in summaries]),
        wall_seconds=sum(one["wall_seconds"] for one in summaries),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    embedded = [dict(one["embedding"]) for one in summaries if one["embedding"] is not None]
    if embedded:
        combined["embedding"] = _added(embedded)  # type: ignore[typeddict-item]
    if "zero_shot" in summaries[0]:
        combined["zero_shot"] = {
            model: _added([one["zero_shot"][model] for one in summaries])  # type: ignore[misc]
            for model in summaries[0]["zero_shot"]
        }
    if "annotations" in summaries[0]:
        features = zip(*(one["annotations"] for one in summaries), strict=True)
        combined["annotations"] = [_pooled(of_feature, taken=taken) for of_feature in features]
    return combined


def _pooled(found: Sequence[AnnotationSummary], *, taken: bool) -> AnnotationSummary:
    """Average the effects that runs learned, weighted by their inverse variances."""
    learned = [(one["effect"], one["standard_error"]) for one in found[: 1 if taken else None]]
    known = [(effect, error) for effect, error in learned if effect is not None and error]
    precision = sum(error**-2 for _, error in known)
    return AnnotationSummary(
        feature=found[0]["feature"],
        effect=sum(effect / error**2 for effect, error in known) / precision if known else None,
        standard_error=precision**-0.5 if known else None,
        n_missing=sum(one["n_missing"] for one in found),
        n_variants=sum(one["n_variants"] for one in found),
    )


def _added(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add numbers by name; texts are those of the first."""
    names = dict.fromkeys(name for record in records for name in record)
    values = {name: [record[name] for record in records if name in record] for name in names}
    return {name: found[0] if isinstance(found[0], str) else sum(found) for name, found in values.items()}


def _record(runs: Sequence[RunFolder], folder: Path, out: Path) -> dict[str, Any]:
    """Return the record of one run of all genes, and which runs it was."""
    first = runs[0].results.run
    options, inputs = dict(first["options"]), dict(first["inputs"])
    variants = _all_variants(runs)
    genes = {**input_record("genes", folder / GENES_NAME), "path": str(out / GENES_NAME)}
    options |= {"genes": str(out / GENES_NAME), "contig": None}
    inputs["genes"] = genes
    if variants is not None:
        options["variants"] = [str(path) for path in variants]
        inputs["variants"] = input_record("variants", variants)
    combined = [{"path": str(run.folder), "genes": len(run.saved.record.genes)} for run in runs]
    data = _facts([run.results.run.get("data", {}) for run in runs])
    return {**first, "options": options, "inputs": inputs, "data": data, "combined": combined}


def _all_variants(runs: Sequence[RunFolder]) -> Files | None:
    """Return the genotype files of all runs; None where all read the same."""
    records = [run.results.run["inputs"]["variants"] for run in runs]
    if all(record["digest"] == records[0]["digest"] for record in records):
        return None
    paths = (path for record in records for path in record.get("paths", [record["path"]]))
    return Files(Path(path) for path in dict.fromkeys(paths))


def _facts(data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add what runs found in their inputs: numbers, `N of M`, and the names that come with some of them."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in data for name in one):
        values = [one[name] for one in data if name in one]
        texts = [value for value in values if isinstance(value, str)]
        if not texts:
            found[name] = values[0] if name in _OF_ALL_GENES else sum(values)
            continue
        counted = [_COUNTED.fullmatch(text) for text in texts]
        rest = {match["rest"] for match in counted if match}
        if all(counted) and len(rest) == 1:
            n, of = (
                sum(int(match[part].replace(",", "")) for match in counted if match) for part in ("n", "of")
            )
            share = f" ({n / max(1, of):.2%})" if counted[0] and counted[0]["share"] else ""
            found[name] = f"{n:,} of {of:,}{share}{rest.pop()}"
        else:
            found[name] = "; ".join(dict.fromkeys(texts))
    return found


_NUMBER = r"\d+(?:,\d{3})*"
_COUNTED = re.compile(rf"(?P<n>{_NUMBER}) of (?P<of>{_NUMBER})(?P<share> \([\d.]+%\))?(?P<rest>.*)")

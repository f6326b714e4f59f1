"""Put finished runs of several tissues side by side: `combine --tissue`.

OUT/tissues.tsv        one row per gene and model, one column of Pearson r per tissue
OUT/tissues.html       models and genes, a column per tissue
OUT/predictdb/NAME.db  weights of one model in each tissue, with covariances beside them
OUT/joint.txt.gz       covariances of all their variants, for S-MultiXcan's --snp_covariance
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from haploscribe.config.finished_runs import CovarianceOptions, ExportOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.errors import InputError
from haploscribe.expression.text_tables import listed
from haploscribe.report.tables import models_in_order
from haploscribe.results.provenance import recorded_options
from haploscribe.results.tables import RUN, Results, read_results, scan_predictions
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write, temporary_prefix
from haploscribe.workflows.export.covariance import export_covariance
from haploscribe.workflows.export.predictdb import SnpKey
from haploscribe.workflows.export.variant_ids import check_label
from haploscribe.workflows.export.workflow import export_predictdb

TABLE, PAGE, WEIGHTS, COVARIANCES = "tissues.tsv", "tissues.html", "predictdb", "joint.txt.gz"


@dataclass(frozen=True, slots=True)
class Tissues:
    """Runs of several tissues.

    Attributes
    ----------
    results
        Of each tissue, by name; all have the same models.
    r
        One row per gene and model: `gene_id`, `symbol`, `model`, and Pearson r in each tissue, null where
        its run lacks the gene.
    """

    results: Mapping[str, Results]
    r: pl.DataFrame

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the first run."""
        return tuple(models_in_order(next(iter(self.results.values()))))

    def best_model(self) -> str:
        """Return the model with the largest mean of r over tissues."""
        return max(
            self.models,
            key=lambda model: sum(one.summary["models"][model]["mean_r"] for one in self.results.values()),
        )


def combine_tissues(folders: Mapping[str, Path], out: Path, *, force: bool = False) -> Tissues:
    """Write the table and the page of several tissues.

    Parameters
    ----------
    folders
        Results of each tissue, by name.
    out
        Folder to write; created if missing.
    force
        Replace the table and the page that `out` holds.

    Raises
    ------
    InputError
        When there are fewer than two, a name is no plain word, a folder is not that of a finished run, or
        runs differ in models; when `out` holds tissues and `force` is not given.
    """
    from haploscribe.report.tissues import tissues_page  # noqa: PLC0415 - loads matplotlib

    if len(folders) < 2:
        raise InputError("--tissue: give two tissues or more, each once")
    for name in folders:
        check_label(name, "--tissue")
    if (out / TABLE).exists() and not force:
        raise InputError(f"--out {out} holds tissues; name another folder, or --force to replace them")
    results = {name: read_results(folder) for name, folder in folders.items()}
    first, models = next((name, tuple(one.summary["models"])) for name, one in results.items())
    for name, one in results.items():
        if set(one.summary["models"]) != set(models):
            raise InputError(
                f"{folders[name]} has the models {', '.join(one.summary['models'])}, {folders[first]} "
                f"{', '.join(models)}; combine tissues of the same models"
            )
    tissues = Tissues(results, _r_by_tissue(results))
    with atomic_write(out / TABLE) as table, atomic_write(out / PAGE) as page:
        tissues.r.write_csv(table, separator="\t")
        page.write_text(tissues_page(tissues), encoding="utf-8")
    return tissues


def _r_by_tissue(results: Mapping[str, Results]) -> pl.DataFrame:
    """Return a row per gene and model, and a column of r per tissue."""
    columns = ("gene_id", "symbol", "model", "pearson_r")
    nameless = pl.lit(None, dtype=pl.String).alias("symbol")
    tables = [
        (one.metrics if "symbol" in one.metrics else one.metrics.with_columns(nameless)).select(columns)
        for one in results.values()
    ]
    symbols = pl.concat(tables).drop_nulls("symbol").unique("gene_id", keep="first", maintain_order=True)
    wide = pl.concat(tables).select("gene_id", "model").unique().sort("gene_id", "model")
    wide = wide.join(symbols.select("gene_id", "symbol"), on="gene_id", how="left", maintain_order="left")
    for name, table in zip(results, tables, strict=True):
        r = table.select("gene_id", "model", pl.col("pearson_r").alias(name))
        wide = wide.join(r, on=["gene_id", "model"], how="left", maintain_order="left")
    return wide.select("gene_id", "symbol", "model", *results)


def export_tissues(
    folders: Mapping[str, Path],
    out: Path,
    options: ExportOptions,
    worker_options: WorkerOptions,
    snp_key: SnpKey = "rsid",
) -> dict[str, str | int]:
    """Export one model of each tissue for S-MultiXcan, with the joint covariances that it wants.

    Covariances are of the training samples of the tissue that has most.

    Parameters
    ----------
    folders, out
        As for `combine_tissues`.
    options
        The model, and which genes; its `results` are replaced by those of each tissue.
    worker_options
        Where the work is done.
    snp_key
        Names that the covariances go by.

    Returns
    -------
    What was written, by its names in print.

    Raises
    ------
    InputError
        As `export_predictdb` and `export_covariance`.
    """
    weights = {name: out / WEIGHTS / f"{name}.db" for name in folders}
    found: dict[str, str | int] = {}
    for name, folder in folders.items():
        exported = export_predictdb(replace(options, results=folder), worker_options, weights[name], snp_key)
        found[f"genes exported, {name}"] = exported.counts.n_genes
    samples = {
        name: scan_predictions(folder).select(pl.col("sample_id").unique().sort()).collect().to_series()
        for name, folder in folders.items()
    }
    largest = max(samples, key=lambda name: len(samples[name]))
    record = read_results(folders[largest]).run
    cohort, _, _ = recorded_options(record, folders[largest] / RUN)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as temporary:
        names = Path(temporary) / "samples.txt"
        names.write_text("".join(f"{name}\n" for name in samples[largest]), encoding="utf-8")
        joint = CovarianceOptions(Files(weights.values()), cohort.variants, names)
        covariances = export_covariance(joint, out / COVARIANCES, snp_key)
    found[f"genes with joint covariances, of the samples of {largest}"] = covariances.n_genes
    return found


def named_folders(given: tuple[str, ...]) -> dict[str, Path]:
    """Return the results of each tissue, given as `NAME=RESULTS`.

    Raises
    ------
    InputError
        When one is written otherwise, or a name is given twice.
    """
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, (name, _, folder) in zip(given, pairs, strict=True) if not (name and folder)]
    if wrong:
        raise InputError(f"--tissue {wrong[0]}: write NAME=RESULTS, such as blood=results/blood")
    names = [name for name, _, _ in pairs]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(f"--tissue: {listed(twice)} is given twice; give each tissue once")
    return {name: Path(folder) for name, _, folder in pairs}

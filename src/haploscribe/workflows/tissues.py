"""Put finished runs of several tissues side by side: `combine --tissue`.

OUT/tissues.tsv        one row per gene and model, one column of Pearson r per tissue
OUT/tissues.html       models and genes, a column per tissue
OUT/predictdb/NAME.db  weights of one model in each tissue, with covariances beside them
OUT/joint.txt.gz       covariances of all their variants, for S-MultiXcan's --snp_covariance
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from haploscribe.config.finished_runs import CovarianceOptions, ExportOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.errors import InputError
from haploscribe.expression.text_tables import listed
from haploscribe.report.tissues import Tissues, tissues_page
from haploscribe.results.provenance import recorded_options
from haploscribe.results.tables import RUN, read_results, scan_predictions
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write, temporary_prefix
from haploscribe.workflows.export.covariance import export_covariance
from haploscribe.workflows.export.predictdb import SnpKey
from haploscribe.workflows.export.variant_ids import check_label
from haploscribe.workflows.export.workflow import export_predictdb

TABLE, PAGE, WEIGHTS, COVARIANCES = "tissues.tsv", "tissues.html", "predictdb", "joint.txt.gz"


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
    tissues = Tissues.of(results)
    with atomic_write(out / TABLE) as table, atomic_write(out / PAGE) as page:
        tissues.r.write_csv(table, separator="\t")
        page.write_text(tissues_page(tissues), encoding="utf-8")
    return tissues


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

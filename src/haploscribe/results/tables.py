"""Write and read the tables and records of a results folder."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

import polars as pl
from pydantic import Field
from typing_extensions import TypedDict

from haploscribe.embedding.stage import EmbeddingSummary
from haploscribe.errors import InputError
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.metrics import METRIC_SCHEMA, NAMED_METRIC_SCHEMA, ModelSummary
from haploscribe.evaluation.paired import COMPARISON_SCHEMA
from haploscribe.results.format_version import RESULTS_FORMAT, refuse_newer_format
from haploscribe.utils.files import atomic_write
from haploscribe.utils.validated_json import parse_json, validate_as

PREDICTIONS = "predictions.parquet"
METRICS = "metrics.tsv"
COMPARISON = "comparison.tsv"
SUMMARY = "summary.json"
RUN = "run.json"
_LARGEST_R = 1.0 + 1e-9  # rounded

STAGES: Mapping[str, str] = {
    "reading_variants": "reading variants",
    "reading_annotations": "reading annotations",
    "embedding": "embedding",
    "predicting_zero_shot": "predicting with zero-shot models",
    "comparing_genes": "comparing genes",
    "weighing_annotations": "weighing annotations",
    "fitting_folds": "fitting and predicting held-out samples",
    "fitting_all_samples": "fitting all samples, to save the models",
}
"""The stages of a run, in order: keys of `stages` in `summary.json`, and what a person reads."""


class ZeroShotSummary(TypedDict):
    """The cost of predicting with one zero-shot model.

    `forward_passes` counts the sequences that it read in this run; `naive_forward_passes`, how many it
    would have read with one sequence per sample, haplotype and gene.
    """

    forward_passes: int
    naive_forward_passes: int
    seconds: float


class AnnotationSummary(TypedDict):
    """What one feature of the annotations does, as in `summary.json`.

    `effect` is the change in the log variance of effects with one standard deviation of the feature, learned
    from all genes in all samples, `standard_error` its own; None where there are too few genes to learn one.
    `n_missing` of the `n_variants` have no value and got the mean; a variant counts at each of its genes.
    """

    feature: str
    effect: float | None
    standard_error: float | None
    n_missing: int
    n_variants: int


class Summary(TypedDict):
    """Summary of a run: the content of `summary.json`.

    `embedding` is None where no model of the run reads deltas; `zero_shot`, by model, is absent if
    the run has none, and so is `annotations`. `stages`, the seconds that each of `STAGES` took, and
    `finished`, the time in UTC as ISO 8601 has it, are absent in older versions.
    """

    models: dict[str, ModelSummary]
    embedding: EmbeddingSummary | None
    zero_shot: NotRequired[dict[str, ZeroShotSummary]]
    stages: NotRequired[dict[str, float]]
    annotations: NotRequired[list[AnnotationSummary]]
    wall_seconds: float
    finished: NotRequired[str]


class _Input(TypedDict):
    path: str
    digest: str
    reading: NotRequired[str]


class _Run(TypedDict, total=False):
    """The content of `run.json`; its options are validated where they are used again.

    Without `format_version`, which the first versions did not write, the format is 1.
    """

    format_version: Annotated[int, Field(ge=1)]
    haploscribe: str
    versions: dict[str, str]
    options: dict[str, str | float | bool | list[str] | list[int] | None]
    inputs: dict[str, _Input]
    data: dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Results:
    """Results of a run.

    Attributes
    ----------
    metrics
        One row per gene and model; `NAMED_METRIC_SCHEMA` where symbols of genes are known, else
        `METRIC_SCHEMA`.
    comparison
        One row per ordered pair of models; `COMPARISON_SCHEMA`.
    summary
        Summary of the run.
    run
        Provenance: versions, options, seeds, input digests.
    fitted
        The models fitted by this command; the others were present already.
    """

    metrics: pl.DataFrame
    comparison: pl.DataFrame
    summary: Summary
    run: Mapping[str, Any]
    fitted: tuple[str, ...] = ()


def write_results(folder: Path, results: Results) -> None:
    """Write the tables and records to a folder, created if missing, that has the predictions already.

    Each file is written atomically; `summary.json` is written last, so that a folder that has one is
    complete. Numbers in tables are read back exactly.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    ValueError
        When a table has other columns than its schema, or a record a number that is not finite.
    """
    _check_columns(results.metrics, NAMED_METRIC_SCHEMA if "symbol" in results.metrics else METRIC_SCHEMA)
    _check_columns(results.comparison, COMPARISON_SCHEMA)
    for name, frame in ((METRICS, results.metrics), (COMPARISON, results.comparison)):
        with atomic_write(folder / name) as path:
            frame.write_csv(path, separator="\t")
    for name, record in ((RUN, results.run), (SUMMARY, results.summary)):
        with atomic_write(folder / name) as path:
            path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_predictions(folder: Path, parts: Iterable[pl.DataFrame], aside: Path) -> None:
    """Write out-of-fold predictions, of which only one part is in memory at a time.

    Parameters
    ----------
    folder
        The results folder.
    parts
        At least one table with the columns of `PREDICTION_SCHEMA`, in the order of the file.
    aside
        Folder for temporary files of the parts, which are deleted at the end.

    Raises
    ------
    InputError
        When a folder cannot be written to.
    ValueError
        When a table has other columns.
    """
    written = []
    for number, part in enumerate(parts):
        _check_columns(part, PREDICTION_SCHEMA)
        written.append(aside / f"part-{number:06d}.parquet")
        with atomic_write(written[-1]) as path:
            part.write_parquet(path)
    with atomic_write(folder / PREDICTIONS) as path:
        pl.scan_parquet(written).sink_parquet(path)
    for path in written:
        path.unlink()


def _check_columns(frame: pl.DataFrame, schema: pl.Schema) -> None:
    if frame.schema != schema:
        raise ValueError(f"columns are {frame.schema}, not {schema}")


def read_results(folder: Path) -> Results:
    """Read results that `write_results` wrote.

    Raises
    ------
    InputError
        When a file is missing, damaged, or has other columns, or a newer version wrote the folder.
    """
    run = read_run(folder)  # first: files of a newer format are not damaged
    _read_table(folder / PREDICTIONS, (PREDICTION_SCHEMA,), lambda path: pl.read_parquet(path, n_rows=0))
    results = Results(
        metrics=_read_tsv(folder / METRICS, METRIC_SCHEMA, NAMED_METRIC_SCHEMA),
        comparison=_read_tsv(folder / COMPARISON, COMPARISON_SCHEMA),
        summary=read_summary(folder),
        run=run,
    )
    _check_models(folder, results)
    return results


def _check_models(folder: Path, results: Results) -> None:
    """Check that numbers are possible, and that the tables and the summary have the same models."""
    for name, table in ((METRICS, results.metrics), (COMPARISON, results.comparison)):
        if table.select(pl.any_horizontal(pl.selectors.float().is_infinite().any())).item():
            raise _damaged(folder / name, "it has infinite numbers")
    if not (results.metrics["pearson_r"].abs() <= _LARGEST_R).fill_null(value=False).all():
        raise _damaged(folder / METRICS, "pearson_r is not from -1 to 1 everywhere")
    models = set(results.summary["models"])
    measured = results.metrics.select("gene_id", "model")
    compared = results.comparison.select("model_a", "model_b")
    if set(measured["model"]) != models or measured.is_duplicated().any() or not models:
        raise _damaged(folder / METRICS, f"its models are not those of {SUMMARY}, each once a gene")
    if not set(compared["model_a"]) | set(compared["model_b"]) <= models or compared.is_duplicated().any():
        raise _damaged(folder / COMPARISON, f"its models are not those of {SUMMARY}, each pair once")


def read_predictions(folder: Path) -> pl.DataFrame:
    """Read the out-of-fold predictions of a results folder, with the columns of `PREDICTION_SCHEMA`.

    Raises
    ------
    InputError
        When the file is missing, damaged, or has other columns, or a newer version wrote the folder.
    """
    read_run(folder)
    return _read_table(folder / PREDICTIONS, (PREDICTION_SCHEMA,), pl.read_parquet)


def read_predictions_of(folder: Path, genes: Mapping[str, str]) -> pl.DataFrame:
    """Read the out-of-fold predictions of some genes by one model each, as `read_predictions` does.

    Parameters
    ----------
    folder
        The results folder.
    genes
        Gene ID to model.

    Raises
    ------
    InputError
        When the file is missing, damaged, or has other columns.
    """
    wanted = pl.LazyFrame(
        {"gene_id": list(genes), "model": list(genes.values())},
        schema={"gene_id": pl.String, "model": pl.String},
    )

    def read(path: Path) -> pl.DataFrame:
        everything = pl.scan_parquet(path)
        return everything.join(wanted, on=["gene_id", "model"], how="semi", maintain_order="left").collect()

    return _read_table(folder / PREDICTIONS, (PREDICTION_SCHEMA,), read)


def scan_predictions(folder: Path) -> pl.LazyFrame:
    """Open the out-of-fold predictions of a results folder as a lazy table."""
    return pl.scan_parquet(folder / PREDICTIONS)


def read_summary(folder: Path) -> Summary:
    """Read `summary.json` of a results folder.

    Raises
    ------
    InputError
        When it is missing or damaged.
    """
    summary: Summary = _read_json(folder / SUMMARY)
    validate_as(Summary, summary, folder / SUMMARY)
    if "stages" in summary:
        summary["stages"] = _by_key(summary["stages"])
    return summary


def _by_key(stages: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of stages by key; earlier versions wrote what a person reads."""
    keys = {title: key for key, title in STAGES.items()}
    found: dict[str, float] = {}
    for name, seconds in stages.items():
        # There was one for each zero-shot model.
        key = "predicting_zero_shot" if name.startswith("predicting with ") else keys.get(name, name)
        found[key] = found.get(key, 0.0) + seconds
    return found


def read_run(folder: Path) -> Mapping[str, Any]:
    """Read `run.json` of a results folder.

    Raises
    ------
    InputError
        When it is missing or damaged, or a newer version wrote the folder.
    """
    path = folder / RUN
    content: Mapping[str, Any] = _read_json(path)
    if isinstance(content, dict):
        refuse_newer_format(path, content, RESULTS_FORMAT, "results")
    validate_as(_Run, content, path)
    return content  # including fields that the shape does not name


def _read_tsv(path: Path, *schemas: pl.Schema) -> pl.DataFrame:
    """Read a table with the columns of one of the schemas."""
    kinds = {name: kind for schema in schemas for name, kind in schema.items()}

    # The header is checked before types are applied: polars gives a schema's names to any columns.
    def read(file: Path) -> pl.DataFrame:
        if not file.read_bytes().endswith(b"\n"):
            raise _damaged(file, "its last line is cut")
        texts = pl.read_csv(file, separator="\t", infer_schema=False)
        return texts.with_columns(_parsed(name, kind) for name, kind in kinds.items() if name in texts)

    return _read_table(path, schemas, read)


def _parsed(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return column == "true" if kind == pl.Boolean else column.cast(kind)


def _read_table(
    path: Path, schemas: Sequence[pl.Schema], read: Callable[[Path], pl.DataFrame]
) -> pl.DataFrame:
    _require(path)
    try:
        frame = read(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from None
    if frame.schema not in schemas:
        raise _damaged(path, f"its columns are {', '.join(frame.columns)}, not {', '.join(schemas[0])}")
    return frame


def _read_json(path: Path) -> Any:
    _require(path)
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _damaged(path, str(error)) from None


def _require(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"{path.parent} has no {path.name}; give the --out folder of a finished `haploscribe run`"
        )


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is damaged or was not written by `haploscribe run` ({reason}); "
        "run again with --force to rewrite it"
    )

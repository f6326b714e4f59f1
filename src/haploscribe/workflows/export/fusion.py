"""FUSION: the `.wgt.RDat` file of each gene and the `.pos` table that FUSION.assoc_test.R reads.

What it reads was taken from https://github.com/gusevlab/fusion_twas: what `FUSION.compute_weights.R` saves,
and how `FUSION.assoc_test.R` and `utils/make_score.R` use it. Weights there are of genotypes scaled to SD 1
(`scale(genos$bed)`), and are multiplied with GWAS z-scores and an LD matrix of correlations, so what is
written is the weight per copy times the SD of the dosage in the training samples. It belongs to the allele A1
of `snps`: GWAS z-scores are aligned to it, and `make_score.R` gives it to `plink --score` as the allele to
count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import FileNames
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.export import r_data as rdata
from haploscribe.workflows.export.dropped import dropped_rows
from haploscribe.workflows.export.variant_ids import (
    bare_contig,
    check_gene_id,
    check_label,
    count_without_rsid,
    positional_names,
    variant_names,
)
from haploscribe.workflows.export.weights import ExportCounts, GeneVariants, GeneWeights, nothing_to_export

FUSION_NAMES = {"elastic-net": "enet"}
"""FUSION's names of models; all others have the same name as here."""

MARGINAL = "top1"
"""FUSION's column of marginal z-scores, of which it reports the strongest as the eQTL of a gene."""

_WEIGHTS_SUFFIX = ".wgt.RDat"
_TOP_SNP = "top-snp"
"""The model whose performance is that of `MARGINAL`, as FUSION predicts from the strongest variant alone."""

_HERE = "."
"""`DIR`, the folder that files of the table are in: FOCUS joins it with them."""

POSITIONS_SCHEMA = pl.Schema(
    {
        "PANEL": pl.String,
        "WGT": pl.String,
        "ID": pl.String,
        "CHR": pl.String,
        "P0": pl.Int64,
        "P1": pl.Int64,
        "N": pl.Int64,
        "DIR": pl.String,
    }
)
"""The columns of the table that FUSION reads, in order; one row per gene."""


def write_fusion(folder: Path, genes: Iterable[GeneWeights], panel: str, build: str) -> ExportCounts:
    """Write all models' weights of all genes, for `--weights FOLDER/PANEL.pos --weights_dir FOLDER`.

    `P0` and `P1` of the table are the gene's first and last base, 1-based, or its TSS where they are unknown.
    `FOLDER/PANEL.dropped.tsv` says what each model loses with the variants that FUSION drops
    (`DROPPED_SCHEMA`).
    `FOLDER/PANEL/PANEL.GENE.wgt.RDat` holds, for each gene with a weight other than 0:

    - `wgt.matrix`: one row per variant (all of `GeneVariants` whose dosage varies), one column per model; and
      `top1`, the marginal z-scores, where they are given;
    - `snps`: as a PLINK .bim, V1 to V6 are chromosome without `chr`, name, 0, 1-based position, A1 = ALT,
      A2 = REF;
    - `cv.performance`: rows `rsq` (`ModelWeights.r_squared`) and `pval`, columns as in `wgt.matrix`; NA for
      a model whose weights are all 0, so that FUSION does not choose it. That of `top1` is that of the model
      `top-snp`, which has no column of its own then, and NA where it is not exported;
    - `hsq` (estimate and standard error) and `hsq.pv`, NA where not estimated; `N.tot`;
    - `haploscribe`, which FUSION does not read: `kept.r2` of each model (`ModelWeights.kept_r2`),
      `dosage.mean` and `dosage.sd` of each variant and each model's `intercept`, so that
      `intercept[model] + scale(dosages, dosage.mean, dosage.sd) %*% wgt.matrix[, model]` is our prediction,
      on the training scale.

    Parameters
    ----------
    folder
        Where to write; created if missing. An existing panel is replaced.
    genes
        Taken one at a time; each id once.
    panel
        Name of the set of weights.
    build
        The assembly that names of variants without an rsID end in, such as `b38`.

    Raises
    ------
    InputError
        When the panel's or the build's name, a gene id or a gene's variants cannot be exported, no gene has a
        weight other than 0, or the folder cannot be written to or holds other files.
    ValueError
        When a gene id is repeated.
    """
    check_label(panel, "panel")
    check_label(build, "build")
    check_replaceable(folder / panel)
    table: dict[str, tuple[str | int, ...]] = {}
    files, n_without, n_weights, n_without_rsid = FileNames(), 0, 0, 0
    lost = [dropped_rows(())]
    with (
        atomic_write(folder / f"{panel}.pos") as positions,
        atomic_write(dropped_path(folder, panel)) as losses,
        atomic_write(folder / panel) as aside,
    ):
        aside.mkdir()
        for weighed in map(_varying, genes):
            gene_id, contig = weighed.gene.gene_id, weighed.gene.contig
            check_gene_id(gene_id)
            if gene_id in table:
                raise ValueError(f"gene {gene_id} comes twice")
            n = sum(int(np.count_nonzero(model.weights)) for model in weighed.models)
            if n == 0:
                n_without += 1
                continue
            positional = positional_names(contig, weighed.variants, build)
            names = variant_names(weighed.variants.identifiers, positional, build)
            file = weights_name(files, panel, gene_id)
            rdata.write_rdata(aside / file, gene_objects(weighed, names))
            start, end = weighed.gene.bounds
            location = (bare_contig(contig), start + 1, end)
            table[gene_id] = (panel, f"{panel}/{file}", gene_id, *location, weighed.n_samples, _HERE)
            lost.append(dropped_rows((weighed,)))
            n_weights += n
            n_without_rsid += count_without_rsid(names)
        if not table:
            raise nothing_to_export("any model")
        write_positions(positions, pl.DataFrame(list(table.values()), POSITIONS_SCHEMA, orient="row"))
        pl.concat(lost).write_csv(losses, separator="\t")
    return ExportCounts(len(table), n_without, n_weights, n_without_rsid)


def weights_name(files: FileNames, panel: str, gene_id: str) -> str:
    """Return the name of a gene's file in a panel, other than those of the genes before."""
    return files.of(f"{panel}.{quote(gene_id, safe='')}") + _WEIGHTS_SUFFIX


def write_positions(path: Path, table: pl.DataFrame) -> None:
    """Write the table of a panel, with the columns of `POSITIONS_SCHEMA`."""
    table.write_csv(path, separator="\t", quote_style="never")


def dropped_path(folder: Path, panel: str) -> Path:
    """Return the path of the table of what models lose with the variants that FUSION drops."""
    return folder / f"{panel}.dropped.tsv"


def gene_objects(gene: GeneWeights, names: Sequence[str]) -> dict[str, bytes]:
    """Return the R objects of a gene's file by name, serialised; see `write_fusion`.

    Parameters
    ----------
    gene
        The gene; all its variants vary.
    names
        A distinct one for each variant.
    """
    weights, performance, columns = _columns(gene)
    mean = 2 * gene.variants.frequencies
    intercepts = [model.intercept + float(model.weights @ mean) for model in gene.models]
    hsq = gene.heritability
    estimate = (hsq.estimate, hsq.standard_error, hsq.p_value) if hsq else (np.nan,) * 3
    scaling = {
        "dosage.mean": rdata.real(mean),
        "dosage.sd": rdata.real(_spread(gene.variants)),
        "intercept": rdata.real(np.array(intercepts)),
        "kept.r2": rdata.real(np.array([model.kept_r2 for model in gene.models])),
    }
    return {
        "wgt.matrix": rdata.real_matrix(weights, names, columns),
        "snps": _snps(gene, names),
        "cv.performance": rdata.real_matrix(performance, ("rsq", "pval"), columns),
        "hsq": rdata.real(np.array(estimate[:2])),
        "hsq.pv": rdata.real(np.array(estimate[2:])),
        "N.tot": rdata.integer([gene.n_samples]),
        "haploscribe": rdata.named_list(scaling),
    }


def _varying(gene: GeneWeights) -> GeneWeights:
    """Drop the variants that do not vary in training, which cannot be scaled; intercepts absorb them."""
    varies = _spread(gene.variants) > 0
    rows, constant = np.flatnonzero(varies), 2 * gene.variants.frequencies[~varies]
    models = tuple(
        replace(
            model,
            weights=model.weights[rows],
            intercept=model.intercept + float(model.weights[~varies] @ constant),
        )
        for model in gene.models
    )
    scores = None if gene.marginal_scores is None else gene.marginal_scores[rows]
    return replace(gene, variants=gene.variants.take(rows), models=models, marginal_scores=scores)


def _columns(gene: GeneWeights) -> tuple[Float64Array, Float64Array, list[str]]:
    """Return `wgt.matrix` `(n_variants, n_columns)`, `cv.performance` `(2, n_columns)`, column names."""
    spread, found = _spread(gene.variants), dict[str, tuple[Float64Array, tuple[float, float]]]()
    for model in gene.models:
        measured = (model.r_squared, model.pearson_p) if model.weights.any() else (np.nan, np.nan)
        found[FUSION_NAMES.get(model.model, model.model)] = (model.weights * spread, measured)
    if gene.marginal_scores is not None:
        _, measured = found.pop(_TOP_SNP, (None, (np.nan, np.nan)))
        found[MARGINAL] = (gene.marginal_scores, measured)
    columns, weights = list(found), [of for of, _ in found.values()]
    performance = [measured for _, measured in found.values()]
    return np.column_stack(weights), np.array(performance).T, columns


def _spread(variants: GeneVariants) -> Float64Array:
    """Return the standard deviation of each dosage in the training samples, float64 `(n_variants,)`."""
    return np.sqrt(np.diagonal(variants.covariance))


def _snps(gene: GeneWeights, names: Sequence[str]) -> bytes:
    variants, bare = gene.variants, bare_contig(gene.gene.contig)
    n = len(names)
    columns = {
        "V1": rdata.integer([int(bare)] * n) if bare.isdecimal() else rdata.text([bare] * n),
        "V2": rdata.text(names),
        "V3": rdata.integer([0] * n),
        "V4": rdata.integer(variants.positions + 1),
        "V5": rdata.text(variants.alts),
        "V6": rdata.text(variants.refs),
    }
    return rdata.data_frame(columns, n)


def check_replaceable(folder: Path) -> None:
    """Raise InputError if a panel's folder holds anything but weights, which writing would remove."""
    if not folder.exists():
        return
    if not folder.is_dir() or any(not path.name.endswith(_WEIGHTS_SUFFIX) for path in folder.iterdir()):
        raise InputError(f"{folder} is there and holds more than weights; remove it or name another panel")

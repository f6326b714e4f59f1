"""Names that other programs have for our options, recognised in the line that refuses them."""

from collections.abc import Collection, Mapping

_THEIRS: Mapping[str, tuple[str, ...]] = {
    "variants": (
        *("vcf", "bcf", "pfile", "pgen", "bpfile", "dosages", "genotype", "genotypes", "genotype-path"),
        *("vcf-genotypes", "text-genotypes"),
    ),
    "reference": ("fasta", "fa", "ref", "ref-fasta", "reference-fasta", "genome"),
    "expression": ("phenotypes", "phenotype", "phenotype-bed", "pheno", "bed", "expr", "gene-expression"),
    "covariates": ("covar", "cov", "covariate", "covariates-file"),
    "hidden-factors": ("peer", "peer-factors", "factors"),
    "genes": ("gene", "gene-list", "genelist", "gene-ids"),
    "gene": ("genes", "gene-id"),
    "gtf": ("gene-annotation", "gencode", "gff", "gff3"),
    "snps": ("extract", "snp-list", "snplist"),
    "maf": ("maf-threshold", "min-maf"),
    "no-ambiguous": ("exclude-palindromic-snps", "exclude-ambiguous"),
    "cis": ("cis-window", "cis-distance"),
    "models": ("model", "methods", "method"),
    "model": ("models", "method"),
    "folds": ("crossval", "cv", "n-folds", "nfolds"),
    "normalize": ("normal", "normalise"),
    "seed": ("random-seed", "random-state"),
    "results": ("weights", "weights-dir", "model-db-path"),
    "samples": ("keep", "sample"),
    "sample": ("samples", "keep"),
    "snp-key": ("model-db-snp-key",),
    "max-p": ("hsq-p", "pval-threshold"),
    "device": ("gpu", "cuda"),
    "jobs": ("threads", "cores", "cpus", "workers", "processes", "n-jobs", "num-threads"),
    "dask": ("cluster", "scheduler"),
    "out": (
        *("o", "output", "out-dir", "outdir", "output-dir", "output-folder", "prefix"),
        *("prediction-output", "expression-output"),
    ),
    "force": ("overwrite",),
}
"""Our options, and what PLINK, QTLtools, fastQTL, tensorQTL, PrediXcan, FUSION and others call them."""

_NO_PHASE = (
    "PLINK 1 files keep no phase; give the phased VCF, BCF or PGEN that they were made from with --variants"
)
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("bfile", "bim", "fam"), _NO_PHASE),
    "bgen": "BGEN is not read; convert it (plink2 --bgen FILE ref-first --make-pgen), and give the PGEN with "
    "--variants",
}
"""What is said of files that are not read."""


def advice(written: str, options: Collection[str]) -> str | None:
    """Return a line on an option that a command does not have; None where the name says nothing to us.

    Parameters
    ----------
    written
        As the user wrote it, such as `--maf_threshold`.
    options
        Those of the command, such as `no-ambiguous`.
    """
    name = written.lstrip("-").lower().replace("_", "-")
    if name in _REFUSED and "variants" in options:
        return f"no option {written}: {_REFUSED[name]}"
    ours = [name, *(ours for ours, theirs in _THEIRS.items() if name in theirs)]
    found = next((one for one in ours if one in options), None)
    return None if found is None else f"no option {written}: it is --{found} here"

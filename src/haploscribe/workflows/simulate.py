"""Simulate a cohort with known causal variants, in a folder of its own."""

import json
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from haploscribe._version import __version__
from haploscribe.cohort.cohort import match_gene_contigs
from haploscribe.config.options import DEFAULT_TILE, CohortOptions
from haploscribe.config.simulation import SimulationOptions
from haploscribe.errors import InputError
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants, variant_files
from haploscribe.genome.reference import Reference
from haploscribe.results.provenance import input_record, plain_value
from haploscribe.simulation.files import (
    EXPRESSION,
    FILES,
    RECORD,
    REFERENCE,
    VARIANTS,
    vcf_writer,
    write_tables,
)
from haploscribe.simulation.genes import (
    SimulatedGene,
    choose_genes,
    gene_at,
    generator_for,
    place_genes,
    simulate_gene,
)
from haploscribe.simulation.samples import (
    Locus,
    copy_variants,
    draw_samples,
    intervals_around,
    lay_out_loci,
    read_candidates,
    require_msprime,
    simulate_haplotypes,
)
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write, temporary_prefix
from haploscribe.utils.progress import stage


def simulate(options: SimulationOptions, out: Path) -> dict[str, str | int]:
    """Simulate a cohort, write it, and return a summary of it.

    Parameters
    ----------
    options
        What to simulate.
    out
        Folder of the cohort, published whole or not at all. An earlier simulation there is replaced.

    Returns
    -------
    dict
        Summary to print: numbers of samples, genes and causal terms, and what was left out.

    Raises
    ------
    InputError
        When an input or an option is invalid, `out` holds other files, or too few genes suit. `out` is then
        unchanged.
    """
    check_output(out, options)
    if options.variants is None:
        require_msprime()  # its version is part of the record
    record = json.dumps(_record(options), indent=2, allow_nan=False)
    with (
        atomic_write(out.resolve()) as folder,
        tempfile.TemporaryDirectory(prefix=temporary_prefix()) as indexes,
    ):
        folder.mkdir()
        summary = _write_cohort(folder, options, Path(indexes))
        (folder / RECORD).write_text(record + "\n", encoding="utf-8")
    return summary


def run_command(options: SimulationOptions, out: Path) -> str:
    """Return the shell command that runs on the simulated cohort."""
    words: dict[str, object] = {
        "variants": out / VARIANTS,
        "reference": options.reference or out / REFERENCE,
        "expression": out / EXPRESSION,
    }
    defaults = {field.name: field.default for field in fields(CohortOptions)} | {"tile": DEFAULT_TILE}
    settings = {name: getattr(options, name) for name in ("window", "tile", "maf")}
    words |= {name: value for name, value in settings.items() if value != defaults[name]}
    words["normalize"] = "none"  # expression is already on the scale of the effects
    parts = [text for name, value in words.items() for text in (f"--{name}", str(value))]
    return shlex.join(["haploscribe", "run", *parts, "--out", f"{out}-results"])


def check_output(out: Path, options: SimulationOptions) -> None:
    """Check that replacing the output folder destroys nothing but an earlier simulation.

    Parameters
    ----------
    out
        Folder of the cohort.
    options
        Names the inputs, which must lie elsewhere.

    Raises
    ------
    InputError
        When `out` is a file, holds files that no simulation writes, or holds one of the inputs.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; name a folder")
    others = sorted({path.name for path in out.iterdir()} - FILES) if out.is_dir() else []
    if others:
        raise InputError(f"--out {out} holds other files, such as {others[0]}; name a new folder")
    variants = () if options.variants is None else variant_files(options.variants)
    named = [("variants", path) for path in variants]
    named += [(name, getattr(options, name)) for name in ("reference", "expression", "gtf")]
    for name, path in named:
        if path is not None and out.resolve() in path.resolve().parents:
            raise InputError(f"--{name} {path} lies in --out {out}, which is replaced; name another --out")


def _write_cohort(folder: Path, options: SimulationOptions, indexes: Path) -> dict[str, str | int]:
    """Write genotypes and tables into an empty folder; return the summary."""
    variants, fasta = options.variants, options.reference
    if variants is None or fasta is None:
        variants, fasta = folder / VARIANTS, folder / REFERENCE
        simulate_haplotypes(options, _loci(options), variants, fasta)
    with (
        Reference.open(fasta, indexes) as reference,
        # Missing calls are written as the reference and counted in the summary, whatever their share.
        open_variants(variants, indexes, assume_phased=options.assume_phased, max_missing=1.0) as reader,
    ):
        samples = draw_samples(reader, options.samples, generator_for(options.seed, "samples"))
        genotypes = Genotypes(reference, reader, samples)
        given = _given_genes(genotypes, options)
        genes = _in_genome_order(_simulate_genes(given, genotypes, options), reference)
        summary: dict[str, str | int] = {
            "samples": len(samples),
            "genes": len(genes),
            "causal terms": sum(len(gene.truth) for gene in genes),
        }
        if given is not None and options.genes is None:
            summary["genes with too few variants, left out"] = len(given) - len(genes)
        if options.variants is not None:
            summary |= _copy_variants(genotypes, genes, options, folder / VARIANTS)
    write_tables(folder, genes, samples, options.architecture)
    return summary


def _given_genes(genotypes: Genotypes, options: SimulationOptions) -> list[Gene] | None:
    """Return the genes to choose from; None if they are to be placed."""
    if options.variants is None:
        generator = generator_for(options.seed, "strands")
        return [gene_at(locus.contig, locus.centre, generator) for locus in _loci(options)]
    if options.expression is None:
        return None
    return _genes_of_table(options, options.expression, genotypes)


def _simulate_genes(
    given: list[Gene] | None, genotypes: Genotypes, options: SimulationOptions
) -> list[SimulatedGene]:
    """Simulate the number of genes wanted, of those given or placed where there are variants."""
    generator = generator_for(options.seed, "places")
    covered = _contigs_with_variants(genotypes)
    total = options.genes or len(given or ())
    with stage("Simulating expression", total, "genes") as advance:

        def simulate_one(gene: Gene) -> SimulatedGene | None:
            if gene.contig not in covered:
                return None
            simulated = simulate_gene(gene, read_candidates(genotypes, gene, options), options)
            advance(simulated is not None)
            return simulated

        if given is None:
            genes = place_genes(covered, options.window, total, generator, simulate_one)
        else:
            genes = choose_genes(given, options.genes, generator, simulate_one)
    if len(genes) < (options.genes or 1):
        raise InputError(
            f"only {len(genes)} of {total} genes have {_needed(options)} in their cis windows of "
            f"±{options.window // 2:,} bp; ask for fewer genes, or change --window, --maf or --causal"
        )
    return genes


def _needed(options: SimulationOptions) -> str:
    match options.architecture:
        case "sparse":
            return f"{options.causal} distinct alleles of MAF {options.maf:g} or more"
        case "polygenic":
            return f"an allele of MAF {options.maf:g} or more"
        case "epistatic":
            return (
                f"{options.causal} pairs of alleles in one tile of {options.tile:,} bp whose four "
                f"combinations each have a frequency of {options.maf:g} or more"
            )


def _genes_of_table(options: SimulationOptions, path: Path, genotypes: Genotypes) -> list[Gene]:
    """Read a table's genes, on contigs named as in the reference."""
    table = read_expression(path, options.position, GeneAnnotation.read(options.gtf))
    genes = match_gene_contigs(table.genes, genotypes.reference, path)
    covered = _contigs_with_variants(genotypes)
    if not any(gene.contig in covered for gene in genes):
        raise InputError(
            f"{genotypes.reader.path} has no contig of the {len(genes)} genes of {path}; "
            f"it has {', '.join(sorted(covered)[:5])}"
        )
    return genes


def _contigs_with_variants(genotypes: Genotypes) -> dict[str, int]:
    """Return the lengths of the reference's contigs that the variants file has too."""
    covered = genotypes.reader.contigs
    return {
        name: length
        for name, length in genotypes.reference.contigs.items()
        if match_contig(name, covered) is not None
    }


def _in_genome_order(genes: list[SimulatedGene], reference: Reference) -> list[SimulatedGene]:
    rank = {contig: index for index, contig in enumerate(reference.contigs)}
    return sorted(genes, key=lambda made: (rank[made.gene.contig], made.gene.tss, made.gene.gene_id))


def _copy_variants(
    genotypes: Genotypes, genes: Sequence[SimulatedGene], options: SimulationOptions, path: Path
) -> dict[str, str | int]:
    """Copy the chosen samples' variants around the genes; return its part of the summary."""
    intervals = intervals_around([made.gene for made in genes], options, genotypes)
    contigs = {interval.contig: genotypes.reference.contigs[interval.contig] for interval in intervals}
    with vcf_writer(path, contigs, genotypes.sample_ids) as write:
        copied = copy_variants(genotypes, intervals, write)
    return {
        "variants written": copied.n_variants,
        "missing calls, written as reference": f"{copied.n_missing_calls:,} of {copied.n_calls:,}",
    }


def _loci(options: SimulationOptions) -> list[Locus]:
    assert options.genes is not None
    return lay_out_loci(options.genes, options.window, options.tile)


def _record(options: SimulationOptions) -> dict[str, Any]:
    """Return everything that determines the cohort."""
    values = asdict(options)
    files = {name: value for name, value in values.items() if isinstance(value, Path | Files)}
    packages = ("numpy", "polars", "pysam") + (("msprime",) if options.variants is None else ())
    return {
        "haploscribe": __version__,
        "versions": {name: version(name) for name in packages},
        "options": {name: plain_value(value) for name, value in values.items()},
        "inputs": {name: input_record(name, given) for name, given in files.items()},
    }

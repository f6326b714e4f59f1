"""The job behind the verb `simulate`: a cohort with known causal variants, in a folder of its own."""

import json
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from haploscribe import __version__
from haploscribe.atomic import written_aside
from haploscribe.cohort import placed_genes
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.io.digests import file_digest
from haploscribe.leftovers import temporary_prefix
from haploscribe.options import CohortOptions, SimulationOptions
from haploscribe.progress import stage
from haploscribe.simulation.ancestry import Block, blocks_for, require_msprime, write_people
from haploscribe.simulation.checks import check_options, require_own
from haploscribe.simulation.files import EXPRESSION, RECORD, REFERENCE, VARIANTS
from haploscribe.simulation.gene import SimulatedGene, simulate_gene
from haploscribe.simulation.people import (
    copy_variants,
    draw_samples,
    read_candidates,
    stretches_around,
)
from haploscribe.simulation.places import choose_genes, gene_at, place_genes
from haploscribe.simulation.randomness import generator_for
from haploscribe.simulation.tables import write_tables
from haploscribe.simulation.vcf_file import written_vcf


def simulate(options: SimulationOptions, out: Path) -> dict[str, str | int]:
    """Simulate a cohort; say what was made.

    Parameters
    ----------
    options
        What to simulate.
    out
        Folder of the cohort. It appears whole or not at all, in place of an earlier simulation's.

    Returns
    -------
    dict
        What was made, for a person to read.

    Raises
    ------
    InputError
        When an input or an option is at fault, `out` holds other files, or there is no place for as many
        genes. `out` is as it was then.
    """
    check_options(options)
    require_own(out, options)
    if options.variants is None:
        require_msprime()  # its version is part of the record
    record = json.dumps(_record(options), indent=2, allow_nan=False)
    with (
        written_aside(out.resolve()) as folder,
        tempfile.TemporaryDirectory(prefix=temporary_prefix()) as indexes,
    ):
        folder.mkdir()
        facts = _fill(folder, options, Path(indexes))
        (folder / RECORD).write_text(record + "\n", encoding="utf-8")
    return facts


def run_command(options: SimulationOptions, out: Path) -> str:
    """Write the command that runs on the simulated cohort, as a shell takes it."""
    words: dict[str, object] = {
        "variants": out / VARIANTS,
        "reference": options.reference or out / REFERENCE,
        "expression": out / EXPRESSION,
    }
    defaults = {field.name: field.default for field in fields(CohortOptions)}
    settings = {name: getattr(options, name) for name in ("window", "tile", "maf")}
    words |= {name: value for name, value in settings.items() if value != defaults[name]}
    words["normalize"] = "none"  # expression is on the scale of the effects as it is
    parts = [text for name, value in words.items() for text in (f"--{name}", str(value))]
    return shlex.join(["haploscribe", "run", *parts, "--out", f"{out}-results"])


def _fill(folder: Path, options: SimulationOptions, indexes: Path) -> dict[str, str | int]:
    """Write people and tables into an empty folder; say what was made."""
    variants, fasta = options.variants, options.reference
    if variants is None or fasta is None:
        variants, fasta = folder / VARIANTS, folder / REFERENCE
        write_people(options, _blocks(options), variants, fasta)
    with (
        Reference.open(fasta, indexes) as reference,
        # Missing calls are told of, not refused: what they are read as is written.
        open_variants(variants, indexes, assume_phased=options.assume_phased, max_missing=1.0) as reader,
    ):
        samples = draw_samples(reader, options.samples, generator_for(options.seed, "samples"))
        genotypes = Genotypes(reference, reader, samples)
        given = _given_genes(genotypes, options)
        genes = _in_genome_order(_simulate_genes(given, genotypes, options), reference)
        facts: dict[str, str | int] = {
            "samples": len(samples),
            "genes": len(genes),
            "causal terms": sum(len(gene.truth) for gene in genes),
        }
        if given is not None and options.genes is None:
            facts["genes with too few variants, left out"] = len(given) - len(genes)
        if options.variants is not None:
            facts |= _write_variants(genotypes, genes, options, folder / VARIANTS)
    write_tables(folder, genes, samples, options.architecture)
    return facts


def _given_genes(genotypes: Genotypes, options: SimulationOptions) -> list[Gene] | None:
    """List the genes to choose from; None where they are to be placed."""
    if options.variants is None:
        generator = generator_for(options.seed, "strands")
        return [gene_at(block.contig, block.centre, generator) for block in _blocks(options)]
    return None if options.expression is None else _genes_of_table(options.expression, genotypes)


def _simulate_genes(
    given: list[Gene] | None, genotypes: Genotypes, options: SimulationOptions
) -> list[SimulatedGene]:
    """Simulate as many genes as are wanted, of those given or where there are variants."""
    generator = generator_for(options.seed, "places")
    covered = _contigs_with_variants(genotypes)
    total = options.genes or len(given or ())
    with stage("Simulating expression", total, "genes") as advance:

        def attempt(gene: Gene) -> SimulatedGene | None:
            if gene.contig not in covered:
                return None
            simulated = simulate_gene(gene, read_candidates(genotypes, gene, options), options)
            advance(simulated is not None)
            return simulated

        if given is None:
            genes = place_genes(covered, options.window, total, generator, attempt)
        else:
            genes = choose_genes(given, options.genes, generator, attempt)
    if len(genes) < (options.genes or 1):
        raise InputError(
            f"only {len(genes)} of {total} genes have {_needed(options)} in their cis windows of "
            f"{options.window:,} bp; ask for fewer, or change --window, --maf or --causal"
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


def _genes_of_table(path: Path, genotypes: Genotypes) -> list[Gene]:
    """Take a table's genes, on contigs named as in the reference."""
    genes = placed_genes(read_expression(path).genes, genotypes.reference, path)
    covered = _contigs_with_variants(genotypes)
    if not any(gene.contig in covered for gene in genes):
        raise InputError(
            f"{genotypes.reader.path} has no contig of the {len(genes)} genes of {path}; "
            f"it has {', '.join(sorted(covered)[:5])}"
        )
    return genes


def _contigs_with_variants(genotypes: Genotypes) -> dict[str, int]:
    """List the reference's contigs, with their lengths, of which the variants file has records."""
    covered = genotypes.reader.contigs
    return {
        name: length
        for name, length in genotypes.reference.contigs.items()
        if match_contig(name, covered) is not None
    }


def _in_genome_order(genes: list[SimulatedGene], reference: Reference) -> list[SimulatedGene]:
    place = {contig: number for number, contig in enumerate(reference.contigs)}
    return sorted(genes, key=lambda made: (place[made.gene.contig], made.gene.tss, made.gene.gene_id))


def _write_variants(
    genotypes: Genotypes, genes: Sequence[SimulatedGene], options: SimulationOptions, path: Path
) -> dict[str, str | int]:
    """Copy the chosen people's variants around the genes."""
    stretches = stretches_around([made.gene for made in genes], options, genotypes)
    contigs = {stretch.contig: genotypes.reference.contigs[stretch.contig] for stretch in stretches}
    with written_vcf(path, contigs, genotypes.sample_ids) as write:
        copied = copy_variants(genotypes, stretches, write)
    return {
        "variants written": copied.n_variants,
        "missing calls, written as reference": f"{copied.n_missing_calls:,} of {copied.n_calls:,}",
    }


def _blocks(options: SimulationOptions) -> list[Block]:
    assert options.genes is not None
    return blocks_for(options.genes, options.window, options.tile)


def _record(options: SimulationOptions) -> dict[str, Any]:
    """Record all that the cohort depends on."""
    values = asdict(options)
    files = {name: value for name, value in values.items() if isinstance(value, Path)}
    packages = ("numpy", "polars", "pysam") + (("msprime",) if options.variants is None else ())
    return {
        "haploscribe": __version__,
        "versions": {name: version(name) for name in packages},
        "options": {name: str(value) if name in files else value for name, value in values.items()},
        "inputs": {name: {"path": str(path), "digest": file_digest(path)} for name, path in files.items()},
    }

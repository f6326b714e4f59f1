"""Small genomes and models to train in seconds."""

from pathlib import Path
from typing import Any

import numpy as np

from haploscribe.config.options import PretrainingOptions


def random_bases(n: int, seed: int = 0) -> bytes:
    """Uniform random A, C, G, T."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    return np.random.default_rng(seed).choice(letters, size=n).tobytes()


def write_genome(path: Path, **contigs: bytes) -> Path:
    """A FASTA of these contigs."""
    path.write_text("".join(f">{name}\n{sequence.decode()}\n" for name, sequence in contigs.items()))
    return path


def write_variants(path: Path, contig: str, length: int, records: list[tuple[int, str, str, str]]) -> Path:
    """A VCF of samples `a` and `b`: records are 1-based position, REF, ALT and both genotypes."""
    lines = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID={contig},length={length}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb",
        *(f"{contig}\t{at}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t{calls}" for at, ref, alt, calls in records),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def tiny(reference: Path, **changed: Any) -> PretrainingOptions:
    """Options of a run that takes a second."""
    options: dict[str, Any] = {
        "window": 60,
        "hidden_size": 16,
        "layers": 1,
        "heads": 2,
        "feed_forward": 16,
        "batch": 4,
        "steps": 30,
        "checkpoint_every": 10,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    return PretrainingOptions(reference=reference, **options | changed)

"""What `gpu` measures of the large architectures is what float64, PyTorch and bcftools give."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest
import torch
from scipy.spatial.distance import cosine
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common.cohort import GENOME_BASES, passes_of_genome
from benchmarks.common.measuring import repeated
from benchmarks.speed import gpu
from benchmarks.speed.encoders import (
    encode,
    encoder_module,
    operations_per_token,
    random_encoder,
    shape_of,
    write_random_checkpoint,
)
from benchmarks.speed.number_formats import BFLOAT16_MIXED, FLOAT16_MIXED, FLOAT32, sample_haplotypes
from haploscribe.config.options import DEFAULT_TILE, CohortOptions
from haploscribe.pretraining.batches import VOCABULARY
from haploscribe.utils.types import Float64Array, Int64Array
from tests.fixtures.peers import require_program

ARCHITECTURES = ("nt-500m-1000g", "nt-v2-500m")
TINY = gpu.Plan(torch.device("cpu"), seconds=0, tiny=True)
SAMPLED = "--device cpu --tiles 2 --haplotypes 2 --seconds 0 --tiny"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def source(example: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled people as a benchmark cohort, which has hidden factors besides."""
    folder = tmp_path_factory.mktemp("source")
    for path in Path(str(example.reference)).parent.iterdir():
        (folder / path.name.replace("expression.bed", "expression.rpkm.bed")).symlink_to(path)
    covariates = folder / "covariates.txt"
    lines = covariates.read_text().splitlines()
    covariates.unlink()
    covariates.write_text("\n".join([*lines, lines[-1].replace("PC25", "PC26")]) + "\n")
    return folder


@pytest.fixture(scope="module")
def page(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The cells of all rows of the page."""
    table = tmp_path_factory.mktemp("page") / "gpu.md"
    gpu.main(f"--source {source} {SAMPLED} --table {table}".split())
    return [line[2:-2].split(" | ") for line in table.read_text().splitlines() if line.startswith("| ")]


@pytest.fixture(scope="module")
def passes(source: Path) -> float:
    return passes_of_genome(source)


@pytest.fixture(scope="module")
def tiles(source: Path) -> list[tuple[bytes, ...]]:
    return sample_haplotypes(source, DEFAULT_TILE, 2, 2)


def tokens_by_hand(tiles: list[tuple[bytes, ...]]) -> Int64Array:
    number = {token: row for row, token in enumerate(VOCABULARY)}
    return np.array(
        [
            [number["<cls>"], *(number[s[i : i + 6].decode()] for i in range(0, len(s), 6))]
            for tile in tiles
            for s in tile
        ]
    )


def exact_deltas(name: str, tiles: list[tuple[bytes, ...]]) -> Float64Array:
    """Deltas of random weights, all in float64."""
    esm = random_encoder(TINY.configuration(name)).double()
    with torch.inference_mode():
        hidden = encode(esm, torch.from_numpy(tokens_by_hand(tiles)))[:, 1:].mean(dim=1).numpy()
    first, second = (hidden[: len(tiles[0])], hidden[len(tiles[0]) :])
    return np.concatenate([first[1:] - first[0], second[1:] - second[0]])


def test_every_architecture_and_format_has_a_row_and_so_has_the_stage(page: list[list[str]]) -> None:
    formats = ("float32", "bfloat16, mixed", "float16, mixed")
    expected = [(f"`{name}`", one) for name in ARCHITECTURES for one in formats]
    expected += [("`nano`", "float32"), ("`nt-v2-500m`", "float32")]
    assert [(row[0], row[1]) for row in page if row[0].startswith("`")] == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_deltas_are_those_of_float64(
    name: str, page: list[list[str]], tiles: list[tuple[bytes, ...]]
) -> None:
    expected = exact_deltas(name, tiles)
    lengths = [len(tile) for tile in tiles]
    configuration = TINY.configuration(name)
    found = {
        each.scheme: each
        for each in gpu.measure_architecture(TINY, configuration, tokens_by_hand(tiles), lengths)
    }
    np.testing.assert_allclose(found[FLOAT32].deltas, expected, atol=1e-4 * np.abs(expected).max())
    for scheme, error in ((FLOAT16_MIXED, 0.02), (BFLOAT16_MIXED, 0.15)):
        deltas = found[scheme].deltas
        errors = np.linalg.norm(deltas - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert 1e-4 < np.median(errors) < error
        (row,) = (row for row in page if row[:2] == [f"`{name}`", scheme.name])
        cosines = [1 - cosine(a, b) for a, b in zip(deltas, expected, strict=True)]
        assert float(row[7]) == pytest.approx(np.median(cosines), abs=1e-4)
        assert float(row[8]) == pytest.approx(np.quantile(cosines, 0.01), abs=1e-4)
        assert float(row[10]) == pytest.approx(np.median(errors), rel=0.06)
        assert row[11] == ("yes" if np.quantile(cosines, 0.01) >= 0.99 else "no")


@pytest.mark.parametrize("name", [*ARCHITECTURES, "nano"])
def test_operations_are_those_that_pytorch_counts(name: str) -> None:
    configuration = TINY.configuration(name) if name in ARCHITECTURES else shape_of(name)
    ids = torch.from_numpy(np.random.default_rng(5).integers(6, 4_102, (5, 51)))
    # The counter knows plain products, not the CPU's fused attention.
    plain = sdpa_kernel(SDPBackend.MATH)
    encoder = random_encoder(configuration)
    with torch.inference_mode(), plain, FlopCounterMode(display=False) as counter:
        encode(encoder, ids)
    assert counter.get_total_flops() == operations_per_token(configuration, 51) * ids.numel()


def test_rates_hours_and_shares_agree(page: list[list[str]], passes: float) -> None:
    for row in (row for row in page if row[0].startswith("`nt-") and len(row) > 6):
        rate, peak, share, hours = (float(row[i].rstrip(" %").replace(",", "")) for i in (2, 3, 4, 5))
        assert hours == pytest.approx(1_000 * passes / rate / 3600, abs=0.51, rel=1e-3)
        configuration = TINY.configuration(row[0].strip("`"))
        operations = operations_per_token(configuration, 1_000) * rate
        # Percent and hundredths of a TFLOP/s are rounded.
        assert (
            (share - 0.5) / 100 * (peak - 0.005) <= operations / 1e12 <= (share + 0.5) / 100 * (peak + 0.005)
        )


def test_passes_of_the_genome_are_the_haplotypes_that_bcftools_reads(source: Path, passes: float) -> None:
    query = [require_program("bcftools"), "query", "-f", "%POS[ %GT]\n", str(source / "genotypes.vcf.gz")]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = np.array([line.replace("|", " ").split() for line in lines], dtype=np.int64)
    tile, alleles = (rows[:, 0] - 1) // DEFAULT_TILE, rows[:, 1:]
    count = 0
    for number in np.unique(tile):
        carried = np.column_stack([alleles[tile == number], np.zeros((tile == number).sum())])
        count += len(np.unique(carried, axis=1).T)
    with pysam.FastaFile(str(source / "reference.fa.gz")) as fasta:
        known = sum(fasta.fetch("chr22").upper().count(base) for base in "ACGT")
    assert passes == pytest.approx(count * GENOME_BASES / known)


def test_a_run_cut_short_keeps_what_it_measured(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "ARCHITECTURES", ARCHITECTURES[:1])
    monkeypatch.setattr(gpu, "all_stage_rows", cut_short)
    table = tmp_path / "gpu.md"
    with pytest.raises(KeyboardInterrupt):
        gpu.main(f"--source {source} {SAMPLED} --table {table}".split())
    assert table.read_text().count("| `nt-") == 3


def test_a_random_checkpoint_holds_the_weights_that_are_measured(tmp_path: Path) -> None:
    configuration = replace(TINY.configuration("nt-v2-500m"), n_layers=1)
    write_random_checkpoint(configuration, tmp_path)
    written, tokenise = encoder_module(str(tmp_path))
    expected = random_encoder(configuration).state_dict()
    assert tokenise(b"ACGTAC").tolist() == [VOCABULARY.index("ACGTAC")]
    assert written.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in written.state_dict().items())


def test_work_is_repeated_until_the_time_has_passed() -> None:
    assert repeated(lambda: "done", 0)[0] == ["done"]
    results, times = repeated(lambda: torch.randn(100, 100).sum(), 0.05)
    walls = [each.wall for each in times]
    assert len(results) == len(walls) > 1
    assert sum(walls[:-1]) < 0.05 <= sum(walls)

"""What fuzzing has found, each by the smallest input that does it."""

import contextlib
import gzip
import json
import math
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pysam.bcftools
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from haploscribe.cli import main as cli
from haploscribe.embedding.backbones.esm import parse_configuration
from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.errors import InputError
from haploscribe.estimators.base import State
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.genome.htslib import is_sound_index
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.results.models_folder import ModelsRecord, SavedModel, read_record, write_record
from haploscribe.results.state_files import read_state, write_state
from haploscribe.results.tables import read_results, write_predictions, write_results
from tests.campaigns.fuzzing.mutations import bgzipped
from tests.fixtures.results import predictions_of, results_of
from tests.fixtures.variants import vcf_text, write_vcf_lines

LENGTHS = {"1": 1000, "2": 1000}


def line(position: int, ref: str = "A", alt: str = "C", contig: str = "1") -> str:
    return "\t".join((contig, str(position), ".", ref, alt, ".", ".", ".", "GT", "0|1", "1|1"))


def read_all(path: Path) -> int:
    """Read all records of contig 1, and say how many there are."""
    with open_variants(path) as reader:
        return len(reader.read("1", 0, 1000, reader.sample_ids).positions)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def written_stored(path: Path, content: bytes) -> Path:
    """Write BGZF that is not compressed, so that its size does not change with its content."""
    with pysam.BGZFile(str(path), "w0") as file:
        file.write(content)
    return path


def test_a_bcf_whose_header_lacks_a_contig_crashed_htslib(tmp_path: Path) -> None:
    vcf, path = tmp_path / "v.vcf", tmp_path / "v.bcf"
    vcf.write_text(vcf_text(LENGTHS, [line(5), line(5, contig="2")]))
    pysam.bcftools.view("-Ob", "-o", str(path), str(vcf), catch_stdout=False)
    content = gzip.decompress(path.read_bytes())
    written_stored(path, content)
    pysam.bcftools.index("--csi", str(path), catch_stdout=False)
    written_stored(path, content.replace(b"##contig=<ID=1", b"##cantig=<ID=1"))
    Path(f"{path}.csi").touch()
    with pytest.raises(InputError, match="contig that its header does not name"):
        read_all(path)


@pytest.mark.parametrize("suffix", [".tbi", ".csi"])
def test_an_index_whose_counts_lie_crashed_htslib(tmp_path: Path, suffix: str) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, [line(5)])
    Path(f"{path}.tbi").unlink()
    pysam.bcftools.index(f"--{suffix[1:]}", str(path), catch_stdout=False)
    index = Path(f"{path}{suffix}")
    data = bytearray(gzip.decompress(index.read_bytes()))
    place = data.index(b"1\0") - 4  # the length of the names of the contigs
    data[place : place + 4] = struct.pack("<i", 2**30)
    written(index, bgzipped(bytes(data)))
    assert not is_sound_index(index, path)
    assert read_all(path) == 1


def test_an_index_of_a_longer_or_shorter_file_hid_records(tmp_path: Path) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, [line(5)])
    short = Path(f"{path}.tbi").read_bytes()
    write_vcf_lines(path, LENGTHS, [line(5), line(6, "A" * 900)])
    index = written(Path(f"{path}.tbi"), short)
    assert not is_sound_index(index, path)
    assert read_all(path) == 2


def test_every_index_that_htslib_makes_is_taken(tmp_path: Path) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, [line(i) for i in range(1, 900)])
    pysam.bcftools.index("--csi", str(path), catch_stdout=False)
    for suffix in (".tbi", ".csi"):
        assert is_sound_index(Path(f"{path}{suffix}"), path)
    assert read_all(path) == 899


@pytest.mark.parametrize("reference", ["<DEL>", "1", "A,C", "*", "É"])
def test_ref_that_is_no_sequence_made_alt_the_reference(tmp_path: Path, reference: str) -> None:
    path = tmp_path / "v.vcf"
    path.write_text(vcf_text(LENGTHS, [line(5), line(7, reference)]))
    with pytest.raises(InputError, match=r"REF .* at 1:7|damaged at 1"):
        read_all(path)


def test_letters_of_other_alphabets_in_alt_became_several_bases(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    path.write_text(vcf_text(LENGTHS, [line(5), line(7, "A", "é")]), encoding="utf-8")
    assert read_all(path) == 1


def test_an_allele_that_is_no_text(tmp_path: Path) -> None:
    text = vcf_text(LENGTHS, [line(5, "A", "C\x99")]).encode("latin-1")
    with pytest.raises(InputError, match="not UTF-8 at 1:1-1000"):
        read_all(written(tmp_path / "v.vcf", text))


def test_a_contig_whose_name_is_no_text(tmp_path: Path) -> None:
    text = vcf_text({"1": 9, "\x99": 9}, [line(5), line(5, contig="\x99")]).encode("latin-1")
    with pytest.raises(InputError, match=r"v\.vcf"):
        read_all(written(tmp_path / "v.vcf", text))


def test_a_header_line_between_records_hid_those_behind_it(tmp_path: Path) -> None:
    text = vcf_text(LENGTHS, [line(5), "##FORMAT=<ID=X>", line(7)])
    with pytest.raises(InputError, match="header line behind record 1"):
        read_all(written(tmp_path / "v.vcf", text.encode()))


@pytest.mark.parametrize("compress", [gzip.compress, bgzipped])
def test_a_compressed_block_that_cannot_be_unpacked(tmp_path: Path, compress: object) -> None:
    data = bytearray(compress(vcf_text(LENGTHS, [line(5)]).encode()))  # type: ignore[operator]
    data[20:60] = b"\xff" * 40
    with pytest.raises(InputError, match=r"v\.vcf\.gz"):
        read_all(written(tmp_path / "v.vcf.gz", bytes(data)))


def test_a_fasta_that_is_no_text(tmp_path: Path) -> None:
    path = written(tmp_path / "r.fa", b">1\nACG\xff\n")
    with pytest.raises(InputError, match=r"r\.fa is not a FASTA file"):
        Reference.open(path, tmp_path)


def test_line_ends_in_a_cell_made_a_message_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "e.bed"
    path.write_text("#chr\tstart\tend\tgene_id\ta\n1\t0\t\u2028\tg\t1\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_expression(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    state = State({"a": 1.5}, {"x": np.arange(4.0)}, {"part": State()})
    write_state(tmp_path / "s.safetensors", state)
    return tmp_path / "s.safetensors"


def test_what_is_kept_is_read_back(kept: Path) -> None:
    assert read_state(kept).arrays["x"].tolist() == [0, 1, 2, 3]


def test_a_number_that_was_changed_in_a_kept_model_was_not_seen(kept: Path) -> None:
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    with pytest.raises(InputError, match="its checksum differs"):
        read_state(written(kept, bytes(data)))


def test_a_kept_model_whose_parts_were_changed(kept: Path) -> None:
    with safe_open(kept, framework="numpy") as file:
        about, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(
        arrays,
        kept,
        metadata=about | {"state": '{"checksum": "", "numbers": {}, "arrays": {}, "parts": "x"}'},
    )
    with pytest.raises(InputError, match="its checksum differs"):
        read_state(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("tile", 0),
            ("tile", "500"),
            ("window", True),
            ("window", 10**400),
            ("models", "blup"),
        ),
        *(("models", []), ("models", ["blup", "blup"]), ("n_samples", None), ("genes", []), ("genes", [1])),
        *(("backbone", {}), ("backbone", []), ("zero_shot", {"x": 1}), ("normalize", 1)),
    ],
)
def test_a_record_of_models_with_an_impossible_value(tmp_path: Path, name: str, value: object) -> None:
    genes = (Gene("g", "1", 5),)
    write_record(
        tmp_path,
        ModelsRecord(
            (SavedModel("blup", "blup", {}),),
            genes,
            10,
            5,
            wide=False,
            normalize="none",
            n_samples=3,
            backbone=None,
            backbone_key=None,
        ),
    )
    content = json.loads((tmp_path / "models.json").read_text())
    (tmp_path / "models.json").write_text(json.dumps(content | {name: value}))
    with pytest.raises(InputError, match=r"models\.json"):
        read_record(tmp_path)


def test_parquet_that_made_polars_panic(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pl.DataFrame({"chr": ["1"], "start": [0], "end": [1], "gene_id": ["g"], "a": [1.0]}).write_parquet(path)
    whole = path.read_bytes()
    for place in reversed(range(len(whole) - 8)):
        written(path, whole[:place] + b"\xff" + whole[place + 1 :])
        with contextlib.suppress(pl.exceptions.PolarsError):
            try:
                pl.read_parquet(BytesIO(path.read_bytes()))
            except pl.exceptions.PanicException:
                break
    else:
        pytest.skip("this polars does not panic")
    with pytest.raises(InputError, match=r"e\.parquet is not a readable Parquet file"):
        read_expression(path)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("", "has no variants"),
        ("1\t0\t.\tA\tC\n", "at variant 1"),
        ("1\t5\t.\tA\tC\n1\t2147483647\t.\tA\tC\n", "at variant 2"),
        ("1\t5\t.\t\tC\n", "at variant 1"),
    ],
)
def test_a_pvar_with_rows_that_are_none(tmp_path: Path, rows: str, line: str) -> None:
    (tmp_path / "v.psam").write_text("#IID\na\n")
    (tmp_path / "v.pvar").write_text(f"#CHROM\tPOS\tID\tREF\tALT\n{rows}")
    with pytest.raises(InputError, match=rf"v\.pvar has no .*{line.removeprefix('has no ')}"):
        open_variants(written(tmp_path / "v.pgen", b""))


def test_a_vocabulary_that_lacks_a_token_is_named() -> None:
    with pytest.raises(InputError, match=r"^some/vocab\.txt lacks \d+ tokens, the first '<cls>'"):
        SixMerTokeniser(["A"], "some/vocab.txt")


def write_some_results(folder: Path) -> None:
    results = results_of([1.0, 2.0, 4.0, 3.0])
    write_results(folder, results)
    write_predictions(folder, [predictions_of([1.0, 2.0, 4.0, 3.0])], folder)


def other_models(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.lit("z").alias(next(name for name in table.columns if "model" in name)))


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("metrics.tsv", other_models, "each once a gene"),
        ("metrics.tsv", lambda table: pl.concat([table, table]), "each once a gene"),
        ("metrics.tsv", lambda table: table.with_columns(pearson_r=1.5), "pearson_r is not from -1 to 1"),
        ("metrics.tsv", lambda table: table.with_columns(pearson_p=math.inf), "infinite"),
        ("comparison.tsv", other_models, "each pair once"),
        ("comparison.tsv", lambda table: pl.concat([table, table]), "each pair once"),
    ],
)
def test_tables_of_results_that_contradict_each_other(
    tmp_path: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame], line: str
) -> None:
    write_some_results(tmp_path)
    change(pl.read_csv(tmp_path / name, separator="\t")).write_csv(tmp_path / name, separator="\t")
    with pytest.raises(InputError, match=rf"{name} is damaged or .*{line}"):
        read_results(tmp_path)


@pytest.mark.parametrize(("contig", "n_records"), [("1", 1), ("2", 3)])
def test_a_header_line_between_bgzipped_records_hid_those_behind_it(
    tmp_path: Path, contig: str, n_records: int
) -> None:
    haploid = [line(place, contig="2").removesuffix("|1") for place in (5, 7, 9)]
    lines = [line(5), *haploid[:2], "##x", haploid[2]]
    path = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines)
    with open_variants(path) as reader:
        assert len(reader.read(contig, 0, 1000, reader.sample_ids).positions) == n_records


@pytest.mark.parametrize("suffix", ["vcf", "bcf"])
@pytest.mark.parametrize("keys", ["DP:GT", "DP"])
def test_calls_that_all_omit_gt_ended_the_process(tmp_path: Path, keys: str, suffix: str) -> None:
    record = "\t".join(("1", "5", ".", "A", "C", ".", ".", ".", keys, "3", "4"))
    path = tmp_path / f"v.{suffix}"
    plain = tmp_path / "plain.vcf"
    plain.write_text(vcf_text(LENGTHS, [record]))
    pysam.bcftools.view(f"-O{suffix[0]}", "-o", str(path), str(plain), catch_stdout=False)
    with open_variants(path, max_missing=1.0) as reader:
        assert reader.read("1", 0, 1000, reader.sample_ids).counts.n_missing_calls == 2


def test_a_bcf_whose_calls_have_no_allele_ended_the_process(tmp_path: Path) -> None:
    vcf, path = tmp_path / "v.vcf", tmp_path / "v.bcf"
    vcf.write_text(vcf_text(LENGTHS, [line(5)]))
    pysam.bcftools.view("-Ob", "-o", str(path), str(vcf), catch_stdout=False)
    content = gzip.decompress(path.read_bytes())
    assert content[-5] == 0x21  # two int8 for each of two people
    shorter = bytearray(content[:-5] + b"\x01")
    start = 9 + struct.unpack("<I", content[5:9])[0]  # of the record, behind the header
    size = struct.unpack("<I", content[start + 4 : start + 8])[0]
    shorter[start + 4 : start + 8] = struct.pack("<I", size - 4)
    written_stored(path, bytes(shorter))
    with open_variants(path, max_missing=1.0) as reader:
        assert reader.read("1", 0, 1000, reader.sample_ids).counts.n_missing_calls == 2


def test_a_bcf_whose_first_block_cannot_be_unpacked(tmp_path: Path) -> None:
    data = bytearray(bgzipped(b"BCF\2\2" + bytes(range(256)) * 9))
    data[18:40] = b"\xff" * 22
    with pytest.raises(InputError, match=r"v\.bcf"):
        read_all(written(tmp_path / "v.bcf", bytes(data)))


@pytest.mark.parametrize("name", ["add_bias_fnn", "position_embedding_type", "layer_norm_eps"])
@pytest.mark.parametrize("value", [{}, [], "x"])
def test_a_checkpoint_that_says_something_else_of_itself(name: str, value: object) -> None:
    sizes = dict.fromkeys(
        ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"), 8
    )
    sizes |= {"max_position_embeddings": 14, "pad_token_id": 1, "mask_token_id": 2}
    assert parse_configuration(sizes, "c.json").family == "nt-v1"
    with pytest.raises(InputError, match=r"^c\.json"):
        parse_configuration(sizes | {name: value}, "c.json")


def test_a_configuration_that_names_another_was_half_read(tmp_path: Path) -> None:
    path = written(tmp_path / "run.toml", b'config = "other.toml"\n')
    with pytest.raises(InputError, match=r"run\.toml: no option 'config'"):
        cli.run.make_context("run", [f"--config={path}"])

"""Names from the data: no file is read or written outside its place, no line of a table is forged."""

import json
import os
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.store import BlockKey, EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.expression.table import read_expression
from haploscribe.genome.readers.cache import GenotypeCache
from haploscribe.report.figures import write_figures
from haploscribe.report.gene_details import GeneDetail
from haploscribe.results.models_folder import read_known_variants
from haploscribe.results.saved_models import SavedModels
from haploscribe.utils.hashing import json_checksum
from haploscribe.utils.names import LONGEST_NAME, FileNames, folder_name, printable
from haploscribe.workflows.export.fusion import write_fusion
from tests.fixtures.every_verb import GENE, Done, commands, run_verb, write_cohort
from tests.fixtures.exported import simple_gene
from tests.fixtures.results import made_results, made_tracks
from tests.fixtures.variants import only_file

ACCENT = unicodedata.normalize("NFC", "GÉNE")
PLAIN = (
    "../../etc/x",
    "a/b",
    "..",
    ".",
    "CON",
    "x" * 300,
    ACCENT,
    unicodedata.normalize("NFD", ACCENT),
    "gene",
    "GENE",
)
NOT_SHOWN = ("a\tb", "a\nb", "a\rb", "a\x1b[2Jb", "a\x00b", "a\u2028b", "a\u202eb", "a\x9bb", "a\x7fb")
WEIRD_FOLDERS = ("..", ".", "", "../../x", "/etc", "a/b", "a\\b", "x" * 201, *NOT_SHOWN)


def inside(folder: Path) -> set[Path]:
    """Every file and folder in a folder."""
    return set(folder.rglob("*"))


def renamed(table: Path, gene_id: str, new: str) -> None:
    table.write_text(table.read_text().replace(f"\t{gene_id}\t", f"\t{new}\t"))


# Genes -----------------------------------------------------------------------------------------------------


def test_a_run_with_odd_gene_names_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "here"
    cohort = write_cohort(folder / "cohort")
    before = inside(tmp_path)
    names = ["../../etc/x", "..", "a/b", "=cmd()", "x" * 300]
    for number, name in enumerate(names, start=1):
        renamed(cohort.expression, f"ENSG{number}", name)
    arguments = commands(cohort, folder / "out", 1, None)
    run = [part for part in arguments["run"] if not part.startswith("--genes=")]
    code, printed = run_verb([*run, "--models=blup"])
    assert code == 0, printed
    explained = run_verb(
        ["explain", f"--results={folder}/out/results", "--gene=../../etc/x", f"--out={folder}/out/explained"]
    )
    assert explained[0] == 0, explained[1]
    report = run_verb(["report", f"--results={folder}/out/results", f"--figures={folder}/out/figures"])
    assert report[0] == 0, report[1]
    made = inside(tmp_path) - before
    assert {path.relative_to(folder).parts[0] for path in made} == {"out"}
    written = pl.read_csv(folder / "out" / "results" / "metrics.tsv", separator="\t")
    assert set(written["gene_id"]) == set(names)


@pytest.mark.parametrize("name", NOT_SHOWN[3:])
def test_a_gene_whose_name_is_not_all_shown_is_refused(tmp_path: Path, name: str) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    renamed(cohort.expression, GENE, name)
    code, printed = run_verb(commands(cohort, tmp_path / "out", 1, None)["check"])
    assert code == 2
    assert "has unprintable characters; rename it" in printed
    assert all(letter.isprintable() for letter in printed.strip("\n"))


@pytest.mark.parametrize("name", NOT_SHOWN)
@pytest.mark.parametrize("what", ["gene", "sample"])
def test_parquet_forges_no_line_of_a_table(tmp_path: Path, what: str, name: str) -> None:
    """Text files are split at tabs and line ends, so only Parquet could have these in a name."""
    gene, sample = (name, "S1") if what == "gene" else ("G", name)
    table = pl.DataFrame(
        {"#chr": ["chr2"], "start": [9], "end": [10], "gene_id": [gene], sample: [1.0], "S2": [2.0]}
    )
    table.write_parquet(tmp_path / "expression.parquet")
    with pytest.raises(InputError, match=f"the {what} id .* has unprintable characters"):
        read_expression(tmp_path / "expression.parquet")


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\u202eb", "a\x9bb"])
def test_a_sample_whose_name_is_not_all_shown_is_refused(tmp_path: Path, name: str) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    only_file(cohort.variants).write_text(only_file(cohort.variants).read_text().replace("Zq001", name))
    cohort.expression.write_text(cohort.expression.read_text().replace("Zq001", name))
    code, printed = run_verb(commands(cohort, tmp_path / "out", 1, None)["check"])
    assert code == 2
    assert "has unprintable characters" in printed
    assert "\x1b" not in printed
    assert name not in printed


def test_figures_of_odd_names_are_distinct_files_of_one_folder(tmp_path: Path) -> None:
    names = [*PLAIN, *NOT_SHOWN]
    results = made_results({"blup": [0.1] * len(names), "../../model": [0.2] * len(names)}, genes=names)
    tracks = replace(made_tracks(n_variants=3), effects={}, tile_weights={})
    details = {name: GeneDetail(tracks=tracks) for name in names}
    folder = tmp_path / "a" / "b" / "figures"
    written = write_figures(results, folder, details=details)
    assert inside(tmp_path / "a" / "b") == {folder, *written}
    assert len({unicodedata.normalize("NFC", path.name).casefold() for path in written}) == 3 + len(names)


def test_weights_for_fusion_of_odd_names_are_distinct_files_of_one_folder(tmp_path: Path) -> None:
    genes = [simple_gene(name) for name in PLAIN]
    write_fusion(tmp_path / "a" / "b", iter(genes), "LCL", "b38")
    files = list((tmp_path / "a" / "b" / "LCL").iterdir())
    assert len({path.name.casefold() for path in files}) == len(PLAIN)
    assert inside(tmp_path) == {
        *(
            tmp_path / "a",
            tmp_path / "a" / "b",
            tmp_path / "a" / "b" / "LCL",
            tmp_path / "a" / "b" / "LCL.pos",
            tmp_path / "a" / "b" / "LCL.dropped.tsv",
        ),
        *files,
    }
    rows = [line.split("\t") for line in (tmp_path / "a" / "b" / "LCL.pos").read_text().splitlines()[1:]]
    assert {row[2] for row in rows} == set(PLAIN)
    assert all((tmp_path / "a" / "b" / row[1]).is_file() for row in rows)


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a b", ""])
def test_a_gene_that_would_break_a_table_of_weights_is_refused(tmp_path: Path, name: str) -> None:
    gene = simple_gene(name)
    with pytest.raises(InputError, match="cannot be exported"):
        write_fusion(tmp_path / "out", iter([gene]), "LCL", "b38")
    assert inside(tmp_path) <= {tmp_path / "out"}


@pytest.mark.parametrize("panel", ["../x", "a/b", "..", "", "x\ny", "/tmp/x"])
def test_a_panel_is_one_plain_word(tmp_path: Path, panel: str) -> None:
    with pytest.raises(InputError, match="panel"):
        write_fusion(tmp_path / "out", iter([simple_gene()]), panel, "b38")
    assert not inside(tmp_path)


def test_names_that_one_file_system_or_another_takes_for_one_are_told_apart() -> None:
    files = FileNames()
    given = ["gene", "GENE", "Gene", ACCENT, unicodedata.normalize("NFD", ACCENT), "é" * 300, "é" * 301]
    found = [files.of(name) for name in given]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(given)
    assert max(len(name.encode()) for name in found) <= LONGEST_NAME + 2


# Contigs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WEIRD_FOLDERS)
def test_names_that_lead_elsewhere_name_no_folder(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a folder"):
        folder_name(name, "contig")


@pytest.mark.parametrize("name", ["chr22", "HLA-A*01:01:01:01", "GL000192.1", "chrUn_KI270752v1", "...", "é"])
def test_names_of_real_contigs_do(name: str) -> None:
    assert folder_name(name, "contig") == name


@pytest.mark.parametrize("contig", ["..", "../../elsewhere", "a/b", "x" * 250])
def test_a_contig_that_leads_elsewhere_is_refused_before_anything_is_written(
    tmp_path: Path, contig: str
) -> None:
    folder = tmp_path / "above" / "here"
    cohort = write_cohort(folder / "cohort")
    for path in (only_file(cohort.variants), cohort.expression):
        path.write_text(path.read_text().replace("chr2", contig))
    path = cohort.reference
    path.write_text(path.read_text().replace(">chr2", f">{contig}"))
    before = inside(tmp_path)
    arguments = commands(cohort, folder / "out", 1, None)
    for verb in ("run", "embed"):
        code, printed = run_verb(arguments[verb])
        assert (code, "cannot name a folder" in printed) == (2, True), printed
    assert {path for path in inside(tmp_path) - before if path.is_file()} == set()


@pytest.mark.parametrize("contig", ["..", "../x", "a/b"])
def test_no_stage_reads_or_writes_elsewhere_by_a_contig(tmp_path: Path, contig: str) -> None:
    (tmp_path / "samples.json").write_text("[]")
    store = EmbeddingStore(tmp_path / "store.zarr")
    address = BlockKey(contig, 0, "kmer.0", "0")
    for act in (
        lambda: GenotypeCache(tmp_path, 498).read(contig, 0, 10, ()),
        lambda: store.read_haplotypes(address),
        lambda: store.known_digests(address),
        lambda: read_known_variants(tmp_path, contig, 0),
    ):
        with pytest.raises(InputError, match="cannot name a folder"):
            act()


# Folders of others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shard", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "weights.bin", ".."]
)
def test_an_index_of_weights_names_files_of_its_folder_alone(done: Done, tmp_path: Path, shard: str) -> None:
    backbone = Path(shutil.copytree(done.folder / "out" / "backbone", tmp_path / "backbone"))
    (backbone / "model.safetensors").rename(tmp_path / "secret.safetensors")
    index = backbone / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"esm.embeddings.word_embeddings.weight": shard}}))
    with pytest.raises(InputError, match="which is no safetensors file of its folder"):
        read_checkpoint(CheckpointFolder(backbone, "backbone"))


@pytest.fixture
def models(done: Done, tmp_path: Path) -> Path:
    """A folder of kept models to be spoilt."""
    return Path(shutil.copytree(done.folder / "out" / "results" / "models", tmp_path / "models"))


def spoil(folder: Path, **changed: object) -> None:
    path = folder / "models.json"
    content = json.loads(path.read_text()) | changed
    del content["checksum"]  # whoever changes the record in bad faith gives it the checksum it should have
    path.write_text(json.dumps(content | {"checksum": json_checksum(content)}))


def test_models_are_known_by_name_not_by_path(models: Path) -> None:
    (first, *others) = json.loads((models / "models.json").read_text())["models"]
    spoil(models, models=[first | {"name": "../../secret", "estimator": "../../secret"}, *others])
    with pytest.raises(InputError, match=r"no model '\.\./\.\./secret'|does not know|damaged"):
        SavedModels(models)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb"])
def test_a_gene_of_kept_models_forges_no_line(models: Path, name: str) -> None:
    genes = json.loads((models / "models.json").read_text())["genes"]
    spoil(models, genes=[genes[0] | {"gene_id": name}, *genes[1:]])
    with pytest.raises(InputError, match="unprintable"):
        SavedModels(models)


@pytest.mark.parametrize("contig", ["../../secret", "/etc", ".."])
def test_predict_refuses_models_whose_contig_leads_elsewhere(models: Path, done: Done, contig: str) -> None:
    genes = json.loads((models / "models.json").read_text())["genes"]
    spoil(models, genes=[gene | {"contig": contig} for gene in genes])
    cohort = done.folder / "cohort"
    out = models.parent / "new" / "predicted.tsv"
    genome = [f"--variants={cohort / 'variants.vcf'}", f"--reference={cohort / 'reference.fa'}"]
    code, printed = run_verb(["predict", f"--models={models}", *genome, "--jobs=1", f"--out={out}"])
    assert code == 2, printed
    assert [path for path in inside(models.parent / "new") if path.is_file()] == []


def test_a_report_replaces_a_link_and_not_what_it_leads_to(done: Done, tmp_path: Path) -> None:
    results = Path(shutil.copytree(done.folder / "out" / "results", tmp_path / "results"))
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    (results / "report.html").unlink()
    (results / "report.html").symlink_to(target)
    assert run_verb(["report", f"--results={results}"])[0] == 0
    assert target.read_text() == "mine"
    assert not (results / "report.html").is_symlink()


def test_a_run_replaces_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    cohort, out = write_cohort(tmp_path / "cohort"), tmp_path / "out" / "results"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kept.txt").write_text("mine")
    out.mkdir(parents=True)
    for name in ("metrics.tsv", "run.json", "predictions.parquet", "summary.json", "report.html"):
        (out / name).symlink_to(mine / "kept.txt")
    (out / "models").symlink_to(mine, target_is_directory=True)
    arguments = commands(cohort, tmp_path / "out", 1, None)["run"]
    code, printed = run_verb([*arguments, "--models=blup", "--force"])
    assert code == 0, printed
    assert inside(mine) == {mine / "kept.txt"}
    assert (mine / "kept.txt").read_text() == "mine"
    assert [path.name for path in out.iterdir() if path.is_symlink()] == []


# What is printed -------------------------------------------------------------------------------------------


def test_escapes_are_shown_not_acted_on() -> None:
    assert printable("a\x1b[31mb\u202ec\u2028\x07é ✓") == r"a\x1b[31mb\u202ec\u2028\x07é ✓"


def test_bytes_that_are_no_text_can_be_printed() -> None:
    assert printable(os.fsdecode(b"caf\xe9.vcf")) == r"caf\udce9.vcf"


@pytest.mark.parametrize("name", ["a\x1b[2Jb.vcf", "a\nb.vcf", os.fsdecode(b"caf\xe9.vcf")])
def test_a_path_in_an_error_is_one_line_without_escapes(tmp_path: Path, name: str) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    arguments = commands(replace(cohort, variants=tmp_path / name), tmp_path, 1, None)["check"]
    code, printed = run_verb(arguments)
    assert code == 2
    assert printed.count("\n") == 1
    assert printed.rstrip("\n").isprintable()


def test_identifiers_of_variants_are_written_without_escapes() -> None:
    from haploscribe.genome.variants import AltAllele
    from haploscribe.interpret.explanation import AlleleNames

    names = AlleleNames.of([AltAllele(5, b"A", b"C", "rs1\x1b[2J")])
    assert names.identifiers == (r"rs1\x1b[2J",)

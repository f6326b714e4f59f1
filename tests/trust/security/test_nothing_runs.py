"""No pickle, no code from outside, no shell: the source, and files that would run something if trusted."""

import ast
import base64
import json
import marshal
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import torch
import zarr

import haploscribe
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.embedding.checked_arrays import FORMAT_VERSION
from haploscribe.embedding.store import DIGEST_BYTES, BlockKey, EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.expression.table import read_expression
from haploscribe.genome.readers.cache import GenotypeCache
from haploscribe.results.models_folder import gene_file
from haploscribe.results.saved_models import SavedModels
from haploscribe.zero_shot.xpresso import read_xpresso
from tests.fixtures.every_verb import Done, run_verb
from tests.fixtures.xpresso_files import RandomXpresso

SOURCE = Path(haploscribe.__file__).parent
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "code", "codeop", "runpy", "pty"),
    *(
        "subprocess",
        "ctypes",
        "yaml",
        "imp",
        "xmlrpc",
        "telnetlib",
        "ftplib",
        "smtplib",
        "http",
        "urllib.request",
    ),
    *("requests", "httpx", "aiohttp", "socket", "webbrowser"),
}
FORBIDDEN_CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "os.startfile",
        "os.fork",
        "os.posix_spawn",
    ),
    *("joblib.load", "joblib.dump", "torch.load", "torch.save", "torch.hub.load", "torch.jit.load"),
    *("numpy.memmap", "np.memmap", "np.fromfile", "tempfile.mktemp", "pl.Object", "ast.literal_eval"),
    *("pl.DataFrame.deserialize", "pl.LazyFrame.deserialize", "pl.Expr.deserialize"),
}
EXPLAINED = {
    "haploscribe/__init__.py imports by name": "its own modules, from a table in that file",
    "haploscribe/estimators/registry.py imports by name": "its own modules, from a table in that file",
    "haploscribe/utils/plugins.py imports by name": "a module that the user names, never of a results folder",
}
"""What looks like one of these and is none; nothing else may."""


def dotted(node: ast.AST) -> str:
    """Give `a.b.c` for a name or an attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return []


def complaints(text: str, where: str) -> Iterator[str]:
    """Say what a module does that could run what a file holds."""
    for node in ast.walk(ast.parse(text)):
        for name in imported(node):
            parts = name.split(".")
            if {".".join(parts[: depth + 1]) for depth in range(len(parts))} & FORBIDDEN_MODULES:
                yield f"{where} imports {name}"
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        keywords = {word.arg: word.value for word in node.keywords}
        if called in FORBIDDEN_CALLS or called.startswith(("os.exec", "os.spawn")):
            yield f"{where} calls {called}"
        if called in {"import_module", "importlib.import_module"}:
            yield f"{where} imports by name"
        if called in {"np.load", "np.save", "np.savez", "np.savez_compressed"} and not _is(
            keywords.get("allow_pickle"), value=False
        ):
            yield f"{where} calls {called} without allow_pickle=False"
        if "trust_remote_code" in keywords or (
            "shell" in keywords and not _is(keywords["shell"], value=False)
        ):
            yield f"{where} calls {called} that may run code"


def _is(node: ast.AST | None, *, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_the_source_has_nothing_that_runs_what_it_reads() -> None:
    found = {
        complaint
        for path in sorted(SOURCE.rglob("*.py"))
        for complaint in complaints(path.read_text(encoding="utf-8"), str(path.relative_to(SOURCE.parent)))
    }
    assert found == set(EXPLAINED)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import numpy as np\nnp.load('x')",
        "np.load('x', allow_pickle=True)",
        "import torch\ntorch.load('x', weights_only=True)",
        "f(trust_remote_code=True)",
        "run('ls', shell=True)",
        "os.execvp('ls', [])",
        "eval('1')",
        "from importlib import import_module\nimport_module(name)",
    ],
)
def test_what_the_source_may_not_have_is_known_when_seen(text: str) -> None:
    assert list(complaints(text, "module.py"))


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.place),)


@pytest.fixture
def sprung(tmp_path: Path) -> Iterator[Path]:
    """Where a trap makes a folder; none may be there at the end."""
    place = tmp_path / "sprung"
    yield place
    assert not place.exists()


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "made")))
    assert (tmp_path / "made").is_dir()


@pytest.fixture
def backbone(done: Done, tmp_path: Path) -> Path:
    """A backbone of this family, as `pretrain` leaves it."""
    return Path(shutil.copytree(done.folder / "out" / "backbone", tmp_path / "backbone"))


def test_a_backbone_of_pickled_weights_is_refused(backbone: Path, sprung: Path) -> None:
    (backbone / "model.safetensors").unlink()
    torch.save({"weight": Trap(sprung)}, backbone / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled weights"):
        load_backbone(str(backbone))


def test_pickled_weights_beside_safetensors_are_not_read(backbone: Path, sprung: Path) -> None:
    (backbone / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(sprung)))
    (backbone / "training_args.bin").write_bytes(pickle.dumps(Trap(sprung)))
    assert load_backbone(str(backbone)).name == "backbone"


def test_pickled_weights_called_safetensors_are_refused(backbone: Path, sprung: Path) -> None:
    (backbone / "model.safetensors").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(InputError, match="cannot read"):
        load_backbone(str(backbone))


def test_code_in_a_backbone_folder_is_never_imported(backbone: Path, sprung: Path) -> None:
    code = f"import os\nos.mkdir({str(sprung)!r})\n"
    for name in ("modeling_x.py", "configuration_x.py", "__init__.py", "tokenization_x.py", "conftest.py"):
        (backbone / name).write_text(code)
    settings = json.loads((backbone / "config.json").read_text())
    maps = {
        "AutoConfig": "configuration_x.EsmConfig",
        "AutoModel": "modeling_x.EsmModel",
        "AutoModelForMaskedLM": "modeling_x.EsmForMaskedLM",
    }
    (backbone / "config.json").write_text(json.dumps(settings | {"auto_map": maps}))
    assert load_backbone(str(backbone)).name == "backbone"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[:-8], id="cut short"),
        pytest.param(lambda data: data + b"\0" * 8, id="longer"),
        pytest.param(lambda data: b"\xff" * 8 + data[8:], id="header of 2^64 bytes"),
        pytest.param(lambda data: (2**40).to_bytes(8, "little") + data[8:], id="header of 2^40 bytes"),
        pytest.param(lambda data: data.replace(b"[0,", b"[9,", 1), id="offsets overlap"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_safetensors_of_a_wrong_size_are_refused(done: Done, tmp_path: Path, change: object) -> None:
    models = Path(shutil.copytree(done.folder / "out" / "results" / "models", tmp_path / "models"))
    path = gene_file(models, 0)
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match="damaged"):
        SavedModels(models).of_gene(0)


def test_pickled_models_are_refused(done: Done, tmp_path: Path, sprung: Path) -> None:
    models = Path(shutil.copytree(done.folder / "out" / "results" / "models", tmp_path / "models"))
    gene_file(models, 0).write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(InputError, match="damaged or not a saved model"):
        SavedModels(models).of_gene(0)


def test_variants_kept_as_objects_are_never_unpickled(tmp_path: Path, sprung: Path) -> None:
    (tmp_path / "samples.json").write_text("[]")
    (tmp_path / "chr1").mkdir()
    objects = np.array([Trap(sprung)], dtype=object)
    np.savez(tmp_path / "chr1" / "0.npz", positions=objects, allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        GenotypeCache(tmp_path, 498).read("chr1", 0, 10, ())


ADDRESS = BlockKey("chr1", 0, "kmer.0123456789abcdef", "0123456789abcdef")
VERSION = {"format_version": FORMAT_VERSION}


def stored(tmp_path: Path) -> tuple[EmbeddingStore, Path]:
    """Make a store, and the folder of one part of a block."""
    store = EmbeddingStore(tmp_path / "store.zarr")
    part = store.path / "vectors" / ADDRESS.backbone / ADDRESS.contig / "0" / "0123"
    part.parent.mkdir(parents=True)
    return store, part


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr's, at what is no part of a group
@pytest.mark.parametrize(
    "filters", [[{"id": "pickle", "protocol": 5}], [{"id": "vlen-utf8"}, {"id": "pickle"}]]
)
def test_a_store_with_a_pickling_filter_is_not_read(
    tmp_path: Path, sprung: Path, monkeypatch: pytest.MonkeyPatch, filters: list[dict[str, object]]
) -> None:
    """Also not with a version of numcodecs that unpickles, as all did up to 2025."""
    import numcodecs.pickles  # type: ignore[import-untyped]

    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    store, part = stored(tmp_path)
    zarr.create_group(part, attributes=VERSION)
    (part / "digest").mkdir()
    (part / ".zgroup").write_text('{"zarr_format": 2}')
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "filters": filters}
    array |= {"compressor": None, "fill_value": None, "order": "C"}
    (part / "digest" / ".zarray").write_text(json.dumps(array))
    (part / "digest" / "0").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(InputError, match="not written by Haploscribe"):
        store.known_digests(ADDRESS)


@pytest.mark.parametrize(
    "arguments",
    [
        {"data": np.zeros((1, DIGEST_BYTES), dtype=np.uint8), "compressors": zarr.codecs.GzipCodec()},
        {"data": np.array(["text"])},
    ],
    ids=["codec", "text"],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*does not have a Zarr V3 specification")
def test_a_store_with_arrays_of_another_kind_is_refused(tmp_path: Path, arguments: dict[str, object]) -> None:
    store, part = stored(tmp_path)
    group = zarr.create_group(part, attributes=VERSION)
    group.create_array("digest", **arguments)
    with pytest.raises(InputError, match="not written by Haploscribe"):
        store.known_digests(ADDRESS)


def test_parquet_with_odd_metadata_is_read_as_numbers_alone(tmp_path: Path, sprung: Path) -> None:
    table = pl.DataFrame(
        {"#chr": ["chr2"], "start": [9], "end": [10], "gene_id": ["G"], "S1": [1.5], "S2": [2.5]}
    )
    trap = pickle.dumps(Trap(sprung)).hex()
    metadata = {
        "pandas": json.dumps({"index_columns": [trap], "columns": [{"name": "S1", "pandas_type": "object"}]}),
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": trap,
        "polars": trap,
        "\x1b[2J": "\x1b[2J",
    }
    table.write_parquet(tmp_path / "expression.parquet", metadata=metadata)
    assert read_expression(tmp_path / "expression.parquet").values.tolist() == [[1.5, 2.5]]


def test_a_lambda_layer_is_refused_unread(tmp_path: Path, sprung: Path) -> None:
    code = compile(f"__import__('os').mkdir({str(sprung)!r})", "layer", "exec")
    held = base64.b64encode(marshal.dumps(code)).decode()
    random = RandomXpresso()
    random.layer("dropout_1").update(class_name="Lambda", config={"function": [held, None, None]})
    with pytest.raises(InputError, match=r"is not the published Xpresso: its layers are .*Lambda"):
        read_xpresso(random.write(tmp_path / "model.h5"))


@pytest.mark.parametrize("kind", ["external link", "link above", "external storage", "virtual", "soft link"])
def test_arrays_that_lie_in_other_files_are_refused(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["values"] = np.ones((2, 1), dtype=np.float32)
        file["dense_3/kernel:0"] = np.ones((2, 1), dtype=np.float32)
        file["dense_3/bias:0"] = np.ones(1, dtype=np.float32)
    raw = tmp_path / "secret.bin"
    raw.write_bytes(np.ones(2, dtype=np.float32).tobytes())
    path = RandomXpresso().write(tmp_path / "model.h5")
    read_xpresso(path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense_3"]
        name = "dense_3/kernel:0"
        del group[name]
        if kind == "external link":
            group[name] = h5py.ExternalLink(str(secret), "/values")
        elif kind == "link above":
            del group["dense_3"]
            group["dense_3"] = h5py.ExternalLink(str(secret), "/dense_3")
        elif kind == "external storage":
            group.create_dataset(name, (2, 1), np.float32, external=[(str(raw), 0, 8)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 1), np.float32)
            layout[...] = h5py.VirtualSource(str(secret), "values", (2, 1))
            group.create_virtual_dataset(name, layout)
        else:
            file["elsewhere"] = np.ones((2, 1), dtype=np.float32)
            group[name] = h5py.SoftLink("/elsewhere")
    with pytest.raises(InputError, match=r"is missing, in another file or no array"):
        read_xpresso(path)


def test_a_results_folder_with_pickles_and_code_is_reported_on_unmoved(
    done: Done, tmp_path: Path, sprung: Path
) -> None:
    results = Path(shutil.copytree(done.folder / "out" / "results", tmp_path / "results"))
    code = f"import os\nos.mkdir({str(sprung)!r})\n"
    for name in ("__init__.py", "sitecustomize.py", "conftest.py", "models/setup.py"):
        (results / name).write_text(code)
    (results / "predictions.pkl").write_bytes(pickle.dumps(Trap(sprung)))
    assert run_verb(["report", f"--results={results}"])[0] == 0

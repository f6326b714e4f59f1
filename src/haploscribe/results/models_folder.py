"""The folder of kept models: what `run` leaves for `predict`, `explain` and `export`.

    models/                                  (haploscribe-models, version 6)
      models.json                            models, parameters, genes: `ModelsRecord`; written last
      genes/NUMBER.safetensors               a gene's fitted models; NUMBER is the gene's index in models.json
      multi-gene/MODEL.safetensors           a model that learned from all genes together
      variants/CONTIG/BLOCK.safetensors      the variants trained on and how often each allele was there

States are as `haploscribe.results.state_files` writes them. They and the record have checksums, to which
they are held when they are read. There is no sample's genotype, expression or name in the folder, and
nothing that is run when it is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from haploscribe._version import __version__
from haploscribe.config.options import BackboneOptions
from haploscribe.errors import InputError
from haploscribe.estimators.base import Parameter, State
from haploscribe.estimators.registry import ModelSpec
from haploscribe.expression.genes import Gene, require_printable_genes
from haploscribe.genome.contigs import match_contig
from haploscribe.results.format_version import refuse_newer_format
from haploscribe.results.known_variants import KnownVariants
from haploscribe.results.provenance import ZeroShotRecord
from haploscribe.results.state_files import damage_as_input_error, read_state, write_state
from haploscribe.utils.files import atomic_write
from haploscribe.utils.hashing import json_checksum
from haploscribe.utils.names import folder_name
from haploscribe.utils.validated_json import parse_json, validate_as

FORMAT = "haploscribe-models"
FORMAT_VERSION = 6
RECORD = "models.json"


_CHECKSUM = "checksum"


_ADVICE = "give the `models` folder of a finished `haploscribe run`"


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model as it was trained: a changed default never changes what it predicts.

    Attributes
    ----------
    name
        As in the tables of the run.
    estimator
        A name of `haploscribe.estimators.registry`, or `module:Name` of a plug-in.
    parameters
        Every parameter of the estimator.
    """

    name: str
    estimator: str
    parameters: Mapping[str, Parameter]

    @classmethod
    def of(cls, spec: ModelSpec) -> "SavedModel":
        """Return what is saved of a model."""
        return cls(spec.name, spec.estimator, dict(spec.parameters))

    def spec(self, plugin_folder: str | None) -> ModelSpec:
        """Return the model, to make its estimator again."""
        return ModelSpec(self.name, self.estimator, self.parameters, plugin_folder)


@dataclass(frozen=True, slots=True)
class ModelsRecord:
    """What was trained, on what.

    Attributes
    ----------
    models
        The models, with every parameter.
    genes
        The genes, on contigs as the reference of training names them; a gene's file has its place here.
    window, tile
        Width of the cis window and size of the tile grid in base pairs.
    wide
        Whether a model reads the dosages within 1 Mb of the TSS.
    normalize
        How expression was normalised. With covariates taken out, and mean 0 and variance 1 over the training
        people, that is the scale of predictions.
    n_samples
        Training people.
    backbone
        What embedded the tiles; None where no model reads deltas.
    backbone_key
        What names the backbone with all its settings and weights; None likewise.
    zero_shot
        The zero-shot models among `models`; None where there are none.
    """

    models: tuple[SavedModel, ...]
    genes: tuple[Gene, ...]
    window: int
    tile: int
    wide: bool
    normalize: str
    n_samples: int
    backbone: BackboneOptions | None
    backbone_key: str | None
    zero_shot: ZeroShotRecord | None = None

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(model.name for model in self.models)


def write_record(folder: Path, record: ModelsRecord) -> None:
    """Write `models.json`, which makes the folder complete."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "haploscribe": __version__,
        **asdict(record),
    }
    content[_CHECKSUM] = json_checksum(content)
    with atomic_write(folder / RECORD) as aside:
        aside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_record(folder: Path) -> ModelsRecord:
    """Read `models.json`.

    Raises
    ------
    InputError
        When the folder has none, it is damaged, or it is of another version of the format.
    """
    path = folder / RECORD
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} has no {RECORD}; {_ADVICE}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); {_ADVICE}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no record of models; {_ADVICE}")
    _check_version(path, content)
    if content.pop(_CHECKSUM, None) != json_checksum(content):
        raise InputError(
            f"{path} is damaged (it has another checksum than was written); copy it again, or run again"
        )
    record = _record(content, path)
    require_printable_genes(record.genes, path)
    return record


def _check_version(path: Path, content: Mapping[str, Any]) -> None:
    refuse_newer_format(path, content, FORMAT_VERSION, "models")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has models of format {version}, made by Haploscribe {content.get('haploscribe')}, "
            "which are no longer read: run again"
        )


def _record(content: Mapping[str, Any], path: Path) -> ModelsRecord:
    record = validate_as(ModelsRecord, content, path)
    names = [gene.gene_id for gene in record.genes]
    if (
        min(record.window, record.tile, record.n_samples, len(names)) < 1
        or min(gene.tss for gene in record.genes) < 0
        or not all(0 <= start < end for start, end in (gene.bounds for gene in record.genes))
        or not len(set(names)) == len(names)
        or not len(set(record.model_names)) == len(record.models) > 0
    ):
        raise InputError(f"{path} is damaged: its numbers and names cannot be; copy it again, or run again")
    return record


def gene_file(folder: Path, number: int) -> Path:
    """Name the file of a gene's models, by the gene's place in the record."""
    return folder / "genes" / f"{number:06d}.safetensors"


def multi_gene_file(folder: Path, model: str) -> Path:
    """Name the file of a model that learned from all genes together."""
    return folder / "multi-gene" / f"{folder_name(model, 'model')}.safetensors"


def copy_gene(source: Path, number: int, folder: Path, new_number: int) -> None:
    """Copy a gene's models to another folder, under another number.

    Raises
    ------
    InputError
        When the file is missing or damaged.
    """
    write_state(gene_file(folder, new_number), read_state(gene_file(source, number)))


def known_blocks(folder: Path) -> list[tuple[str, int]]:
    """Return the contig and the number of each block of tiles whose variants a folder has."""
    files = (folder / "variants").glob("*/*.safetensors")
    return sorted((path.parent.name, int(path.stem)) for path in files)


def write_known_variants(folder: Path, block: int, known: KnownVariants) -> None:
    """Write the variants of a block of tiles that the models know."""
    contig = folder_name(known.sites.contig, "contig")
    path = folder / "variants" / contig / f"{block}.safetensors"
    write_state(path, State(arrays=known.arrays()))


def read_known_variants(folder: Path, contig: str, block: int) -> KnownVariants:
    """Read what `write_known_variants` wrote.

    Parameters
    ----------
    folder
        Of the models.
    contig
        As the caller names it: `22` and `chr22` are matched.
    block
        Number of the block of tiles.

    Raises
    ------
    InputError
        When the file is missing or damaged.
    """
    variants = folder / "variants"
    named = match_contig(contig, (place.name for place in variants.iterdir())) if variants.is_dir() else None
    path = variants / folder_name(named or contig, f"{folder}: contig") / f"{block}.safetensors"
    with damage_as_input_error(path):
        return KnownVariants.from_arrays(read_state(path).arrays, contig)

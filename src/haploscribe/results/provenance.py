"""Record the provenance of a run in `run.json`: versions, options and input digests."""

import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from haploscribe._version import __version__
from haploscribe.config.annotations import annotation_files
from haploscribe.config.fields import OptionError
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.config.zero_shot import (
    DEFAULT_ALPHAGENOME_TRACKS,
    DEFAULT_ALPHAGENOME_WINDOW,
    ZeroShotOptions,
    weights_option,
)
from haploscribe.errors import InputError
from haploscribe.genome.readers.open import variant_files
from haploscribe.results.cross_gene_files import CROSS_GENE
from haploscribe.results.format_version import RESULTS_FORMAT
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import is_file
from haploscribe.utils.hashing import file_digest, files_digest, folder_digest
from haploscribe.utils.validated_json import validate_as
from haploscribe.zero_shot.predictions import TestTimeAugmentation
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, LoadedModel, read_models

_PACKAGES = (
    "numba",
    "numpy",
    "pgenlib",
    "polars",
    "pysam",
    "scipy",
    "torch",
    "transformers",
    "zarr",
)

WEIGHTS_PATTERNS = ("config.json", "*.safetensors", "*.safetensors.index.json", "fold_*.h5")
"""Files of a weights folder that determine its model's predictions."""

_BEFORE: Mapping[str, Any] = {
    "revision": None,
    "strands": "forward",
    "gtf": None,
    "position": None,
    "annotations": (),
    "no_ambiguous": False,
    "snps": None,
    "contig": None,
    "cross_gene": None,
    "borzoi_prime": None,
    "alphagenome": None,
    "clipnet": None,
    "alphagenome_tracks": DEFAULT_ALPHAGENOME_TRACKS,
    "alphagenome_window": DEFAULT_ALPHAGENOME_WINDOW,
}
"""Options that earlier versions did not have, and what they did."""

_MAX_SHOWN = 80
"""Characters of an option's value shown in a message, at most."""


def run_record(
    options: tuple[CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions],
) -> dict[str, Any]:
    """Return the record of a command: versions, options, and the digest of each input file.

    Parameters
    ----------
    options
        The run's options; `--seed` is among them.

    Returns
    -------
    dict
        `format_version`, `haploscribe` (version), `versions`, `options`, and `inputs` (path and digest each).
        A finished run adds `weights_record` of each zero-shot model to `inputs`, and `data`, a summary of the
        inputs.

    Raises
    ------
    InputError
        When an input cannot be read.
    """
    values = {name: value for group in options for name, value in asdict(group).items()}
    files = {name: value for name, value in values.items() if isinstance(value, Path | Files)}
    if isinstance(values["genes"], str) and is_file(Path(values["genes"])):
        files["genes"] = Path(values["genes"])
    annotations = annotation_files(values["annotations"])
    if annotations:
        files["annotations"] = Files(annotations.values())
    return {
        "format_version": RESULTS_FORMAT,
        "haploscribe": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "options": {name: plain_value(value) for name, value in values.items()},
        "inputs": {name: input_record(name, given) for name, given in files.items()},
    }


def input_record(name: str, given: Path | Files) -> dict[str, Any]:
    """Return `path` and `digest` of an input; `paths` too where it is several files."""
    if name == "cross_gene":
        assert isinstance(given, Path)
        return {"path": str(given), "digest": folder_digest(given / CROSS_GENE, ("*.safetensors", "*.npz"))}
    paths = tuple(given) if isinstance(given, Files) else (given,)
    if name == "variants":
        paths = variant_files(given)
    record: dict[str, Any] = {"path": str(given), "digest": files_digest(paths)}
    return record if paths == (given,) else record | {"paths": [str(path) for path in paths]}


def describe_difference(
    recorded: Mapping[str, Any],
    record: Mapping[str, Any],
    ignored: Collection[str],
    other: str = "this command",
) -> str | None:
    """Describe the first difference in options and inputs between a run and a command, or another run.

    Input files are compared by their content, wherever they are.

    Parameters
    ----------
    recorded
        The content of the run's `run.json`.
    record
        From `run_record`, of the command.
    ignored
        Names of options that may differ.
    other
        What the message calls the command.

    Returns
    -------
    Such as `with --folds 5, this command has --folds 3`; None where there is no difference.
    """
    options, inputs = {**_BEFORE, **recorded.get("options", {})}, recorded.get("inputs", {})
    for name, value in record["options"].items():
        if name in ignored:
            continue
        flag = f"--{name.replace('_', '-')}"
        if name not in options:
            return f"of another version, which had no {flag}"
        before, now = _in_words(flag, options[name]), _in_words(flag, value)
        was, found = inputs.get(name), record["inputs"].get(name)
        of_weights = name in map(weights_option, ZERO_SHOT_NAMES)
        if was and not found and of_weights:  # on the hub, or in a folder
            path = Path(value or was["path"])
            found = {"path": str(path), "digest": _weights_digest(path)} if path.exists() else None
            if found is None and before == now:
                continue
        if was and found:
            if was["digest"] != found["digest"]:
                return f"on other content of {flag} than that of {found['path']} now"
        elif options[name] != value and before != now:
            differing = f"has {now}" if now.startswith("--") else f"is {now}"
            return f"{before if before.startswith('without') else f'with {before}'}, {other} {differing}"
    return None


def describe_version_difference(
    recorded: Mapping[str, Any], record: Mapping[str, Any], other: str = "installed"
) -> str | None:
    """Describe the first difference in versions between a run and this program, or another run.

    Parameters
    ----------
    recorded, record
        As in `describe_difference`.
    other
        What the message says of the second's versions.
    """
    before = {"haploscribe": recorded.get("haploscribe"), **recorded.get("versions", {})}
    for name, now in {"haploscribe": record["haploscribe"], **record["versions"]}.items():
        if before.get(name) != now:
            return f"written with {name} {before.get(name)}, but {name} {now} is {other}"
    return None


def _in_words(flag: str, value: object) -> str:
    """Return an option as written on the command line."""
    if value is None or value is False:
        return f"without {flag}"
    text = "" if value is True else ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if "," in text and len(text) > _MAX_SHOWN:  # a list of genes, say; a path is shown whole
        text = f"{text[:_MAX_SHOWN]}…"
    return f"{flag} {text}".rstrip()


def recorded_options(
    record: Mapping[str, Any], source: Path
) -> tuple[CohortOptions, BackboneOptions, EvaluationOptions]:
    """Return the options of a run from its record.

    Parameters
    ----------
    record
        The content of `run.json`.
    source
        That file, for messages.

    Raises
    ------
    InputError
        When it lacks an option, or one is out of range.
    """
    options = {**_BEFORE, **record.get("options", {})}
    try:
        return (
            validate_as(CohortOptions, options, source, "the options"),
            validate_as(BackboneOptions, options, source, "the options"),
            validate_as(EvaluationOptions, options, source, "the options"),
        )
    except OptionError as error:
        raise InputError(f"{source} is damaged: {error.name} {error.value}: {error.advice}") from None


def check_inputs_unchanged(record: Mapping[str, Any], source: Path, names: Sequence[str]) -> None:
    """Check that the inputs of a run still have the digests recorded.

    Parameters
    ----------
    record
        The content of `run.json`.
    source
        That file, for messages.
    names
        Names of the inputs to check.

    Raises
    ------
    InputError
        When a file is missing or has changed; names it.
    """
    if "inputs" not in record:
        raise InputError(f"{source} lacks the digests of the inputs; run again with this version")
    for name in names:
        if name in record["inputs"]:
            read = record["inputs"][name]
            paths = [Path(path) for path in read.get("paths", [read["path"]])]
            for path in paths:
                if not path.exists():
                    raise InputError(
                        f"{path}, listed in {source}, does not exist; restore it, or work in the folder "
                        "that the run was started in"
                    )
            if files_digest(paths) != read["digest"]:
                raise InputError(
                    f"{read['path']} has changed since the run that read it; run again, or restore it"
                )


def weights_record(loaded: LoadedModel) -> dict[str, str]:
    """Return the record of a zero-shot model's weights: `path`, `digest`, and `reading`."""
    path = loaded.weights
    return {"path": str(path), "digest": _weights_digest(path), "reading": loaded.model.reading}


def _weights_digest(path: Path) -> str:
    return folder_digest(path, WEIGHTS_PATTERNS) if path.is_dir() else file_digest(path)


def plain_value(value: object) -> object:
    """Convert a value to a JSON type."""
    if isinstance(value, Path):
        return str(value)
    return [plain_value(item) for item in value] if isinstance(value, tuple) else value


_DELETION_MARGIN = 20_000
"""Base pairs added to a model's input: haplotypes with deletions extend further along the reference."""


@dataclass(frozen=True, slots=True)
class ZeroShotRecord:
    """The zero-shot models of a run.

    Attributes
    ----------
    enformer_tracks, borzoi_tracks, shifts, reverse_complement, alphagenome_tracks, alphagenome_window
        As in `ZeroShotOptions`.
    reach
        Base pairs on either side of a TSS within which training variants are saved for these models.
    weights
        For each model, `digest` of its weights and `reading` (see `SequenceModel`).
    """

    enformer_tracks: tuple[str, ...]
    borzoi_tracks: tuple[str, ...]
    shifts: tuple[int, ...]
    reverse_complement: bool
    reach: int
    weights: Mapping[str, Mapping[str, str]]
    alphagenome_tracks: tuple[str, ...] = DEFAULT_ALPHAGENOME_TRACKS
    alphagenome_window: int = DEFAULT_ALPHAGENOME_WINDOW

    @classmethod
    def of(
        cls, models: Sequence[LoadedModel], options: ZeroShotOptions, inputs: Mapping[str, Mapping[str, str]]
    ) -> "ZeroShotRecord | None":
        """Return the record of a run's models; None if it has none.

        Parameters
        ----------
        models, options
            The run's models and options.
        inputs
            `weights_record` of each model by its option, and other inputs; weights are large, so they are
            digested only once.
        """
        if not models:
            return None
        widest = max(max(loaded.model.upstream, loaded.model.downstream) for loaded in models)
        return cls(
            options.enformer_tracks,
            options.borzoi_tracks,
            options.shifts,
            options.reverse_complement,
            widest + max(map(abs, options.shifts)) + _DELETION_MARGIN,
            {
                loaded.model.name: {
                    name: value
                    for name, value in inputs[weights_option(loaded.model.name)].items()
                    if name != "path"
                }
                for loaded in models
            },
            options.alphagenome_tracks,
            options.alphagenome_window,
        )

    def merge(self, added: "ZeroShotRecord | None") -> "ZeroShotRecord":
        """Return the record of these models and of models added with the same options."""
        if added is None:
            return self
        reach = max(self.reach, added.reach)
        return replace(added, reach=reach, weights={**self.weights, **added.weights})

    @property
    def augmentation(self) -> TestTimeAugmentation:
        """Shifts and strands over which predictions are averaged."""
        return TestTimeAugmentation(self.shifts, self.reverse_complement)

    def load_models(self, given: ZeroShotOptions, device: str) -> list[LoadedModel]:
        """Load models from the weights given, and check these against the record of the run.

        Parameters
        ----------
        given
            The weights of the models to load; all other options are those of the run.
        device
            As `BackboneOptions.device`.

        Raises
        ------
        InputError
            When weights cannot be read, or are not those of the run; when some are given for a model that
            the run does not have.
        """
        names = [name for name in ZERO_SHOT_NAMES if given.weights_of(name) is not None]
        for name in names:
            if name not in self.weights:
                raise InputError(f"--{name}: the models are not of a run with {name}; leave it out")
        options = replace(
            given,
            enformer_tracks=self.enformer_tracks,
            borzoi_tracks=self.borzoi_tracks,
            alphagenome_tracks=self.alphagenome_tracks,
            alphagenome_window=self.alphagenome_window,
            shifts=self.shifts,
            reverse_complement=self.reverse_complement,
        )
        models = read_models(names, options, device)
        for loaded in models:
            name, found = loaded.model.name, weights_record(loaded)
            if any(found[part] != value for part, value in self.weights[name].items()):
                raise InputError(
                    f"--{name} {loaded.weights}: other weights than those of the run, or another reading "
                    "of their output; give the weights of the run"
                )
        return models

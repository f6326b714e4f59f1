"""List zero-shot models by name, and read their weights from disk or the Hugging Face hub."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from haploscribe.errors import InputError
from haploscribe.zero_shot.borzoi.configuration import BORZOI_HUB_NAMES, FLASHZOI_HUB_NAMES, PRIME_HUB_NAMES
from haploscribe.zero_shot.enformer.configuration import HUB_NAMES as ENFORMER_HUB_NAMES

if TYPE_CHECKING:  # the command line imports the names and does not need numpy
    from haploscribe.config.zero_shot import ZeroShotOptions
    from haploscribe.zero_shot.base import SequenceModel


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A zero-shot model and the source of its weights.

    Attributes
    ----------
    model
        The model.
    weights
        The file or folder that its weights were read from.
    """

    model: "SequenceModel"
    weights: Path


# torch is slow to import and needed only by runs that use a model.


def _xpresso(options: "ZeroShotOptions", _: str) -> LoadedModel:
    from haploscribe.zero_shot.xpresso import read_xpresso  # noqa: PLC0415

    if options.xpresso is None:
        raise InputError("--models: xpresso needs its weights; give the file with --xpresso FILE")
    return LoadedModel(read_xpresso(options.xpresso), options.xpresso)


def _clipnet(options: "ZeroShotOptions", _: str) -> LoadedModel:
    from haploscribe.zero_shot.clipnet import read_clipnet  # noqa: PLC0415

    if options.clipnet is None:
        raise InputError("--models: clipnet needs its weights; give their folder with --clipnet FOLDER")
    return LoadedModel(read_clipnet(options.clipnet), options.clipnet)


def _enformer(options: "ZeroShotOptions", device: str) -> LoadedModel:
    from haploscribe.zero_shot.enformer.model import read_enformer  # noqa: PLC0415
    from haploscribe.zero_shot.weights_folder import locate  # noqa: PLC0415

    folder = locate(options.enformer, ENFORMER_HUB_NAMES)
    return LoadedModel(read_enformer(folder, tracks=options.enformer_tracks, device=device), folder)


def _borzoi(
    options: "ZeroShotOptions", device: str, *, kind: str, hub_names: Mapping[str, str]
) -> LoadedModel:
    from haploscribe.zero_shot.borzoi.model import read_borzoi  # noqa: PLC0415
    from haploscribe.zero_shot.weights_folder import locate  # noqa: PLC0415

    source = options.weights_of(kind)
    folder = locate(None if source is None else str(source), hub_names)
    return LoadedModel(read_borzoi(folder, tracks=options.borzoi_tracks, device=device, kind=kind), folder)


def _alphagenome(options: "ZeroShotOptions", device: str) -> LoadedModel:
    from haploscribe.zero_shot.alphagenome.model import read_alphagenome  # noqa: PLC0415

    tracks, window = options.alphagenome_tracks, options.alphagenome_window
    return LoadedModel(*read_alphagenome(options.alphagenome, tracks=tracks, window=window, device=device))


READERS: Mapping[str, "Callable[[ZeroShotOptions, str], LoadedModel]"] = {
    "xpresso": _xpresso,
    "enformer": _enformer,
    "borzoi": partial(_borzoi, kind="borzoi", hub_names=BORZOI_HUB_NAMES),
    "flashzoi": partial(_borzoi, kind="flashzoi", hub_names=FLASHZOI_HUB_NAMES),
    "borzoi-prime": partial(_borzoi, kind="borzoi-prime", hub_names=PRIME_HUB_NAMES),
    "alphagenome": _alphagenome,
    "clipnet": _clipnet,
}

ZERO_SHOT_NAMES = tuple(READERS)
"""Zero-shot models; `ZeroShotOptions.weights_of` has the weights of each."""


def read_models(names: Sequence[str], options: "ZeroShotOptions", device: str) -> list[LoadedModel]:
    """Read the weights of the zero-shot models among the models of a run.

    Parameters
    ----------
    names
        Names of models; those that are not zero-shot models are ignored.
    options
        Sources of the weights, and the tracks.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`; Xpresso and CLIPNET, which are small, always run on the CPU.

    Returns
    -------
    list
        The zero-shot models, in the order of `names`.

    Raises
    ------
    InputError
        When weights cannot be read or are another model's, when a model has no default weights and none are
        given, or when some are given for a model not in `names`; when there is no such track or device.
    """
    for name in ZERO_SHOT_NAMES:
        source = options.weights_of(name)
        if source is not None and name not in names:
            raise InputError(f"--{name} {source}: the model is not used; add {name} to --models")
    return [READERS[name](options, device) for name in names if name in READERS]

"""Zero-shot models by name; each is read from a file of weights that the user gives."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.zero_shot.protocol import SequenceModel


def _xpresso(path: Path) -> SequenceModel:
    from haploscribe.zero_shot.xpresso import read_xpresso  # noqa: PLC0415 - imports torch, a second

    return read_xpresso(path)


_READERS: Mapping[str, Callable[[Path], SequenceModel]] = {"xpresso": _xpresso}

SEQUENCE_MODEL_NAMES = tuple(_READERS)


def read_models(asked: Sequence[str], weights: Mapping[str, Path | None]) -> list[SequenceModel]:
    """Read the weights of the zero-shot models among those asked for.

    Parameters
    ----------
    asked
        Names of models, others than zero-shot ones among them.
    weights
        For each zero-shot model, its file; None where the user gave none.

    Returns
    -------
    The zero-shot models, in the order asked for.

    Raises
    ------
    InputError
        When a file cannot be read or is another model's, when a model has no file, or when a file is given
        for a model that is not asked for.
    """
    for name, path in weights.items():
        if path is not None and name not in asked:
            raise InputError(f"--{name} {path}: the model is not asked for; add {name} to --models")
    models = []
    for name in asked:
        if name not in _READERS:
            continue
        path = weights[name]
        if path is None:
            raise InputError(f"--models: {name} needs its weights; give the file with --{name} FILE")
        models.append(_READERS[name](path))
    return models

"""The folder of what a run learned across its genes, for runs of other genes of the same samples.

    cross-gene/
      fold-NUMBER.safetensors    of each training set: moments of each gene of `models.json`, in its order
      scaling.npz                what made annotations features, where the run had any: `FeatureScaling`

Moments are sums over samples: no sample's genotype, expression or name is in the folder, but a digest of all
names of each training set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.annotations.features import FeatureScaling
from haploscribe.errors import InputError
from haploscribe.estimators.base import State
from haploscribe.estimators.cross_gene.learners import AnnotationModel, EffectPriorModel
from haploscribe.results.state_files import damage_as_input_error, read_state, write_state
from haploscribe.utils.hashing import json_checksum

CROSS_GENE = "cross-gene"
"""Name of the folder, in the results of a run."""


@dataclass(frozen=True, slots=True)
class LearnedAcrossGenes:
    """What the genes of a run show in one training set.

    Attributes
    ----------
    samples
        From `samples_digest`.
    prior
        Moments of the effect-size prior.
    annotations
        Moments of the effects of annotations; None where the run has none.
    """

    samples: str
    prior: EffectPriorModel
    annotations: AnnotationModel | None = None


def samples_digest(sample_ids: Sequence[str]) -> str:
    """Return a digest of the names of a training set, in whatever order."""
    return json_checksum(sorted(sample_ids))


def write_learned(
    folder: Path, by_fold: dict[int, LearnedAcrossGenes], scaling: FeatureScaling | None
) -> None:
    """Write what the genes of a run show in each of its training sets, by the fold's number."""
    for number, learned in by_fold.items():
        samples = np.frombuffer(bytes.fromhex(learned.samples), dtype=np.uint8)
        parts = {"prior": _state(learned.prior, "kernels", "outcomes")}
        if learned.annotations is not None:
            parts["annotations"] = _state(learned.annotations, "scores", "information", "start")
        write_state(_path(folder, number), State(arrays={"samples": samples}, parts=parts))
    if scaling is not None:
        scaling.save(folder)


def read_learned(folder: Path, number: int) -> LearnedAcrossGenes:
    """Read what the genes of a run show in the training set of a fold; 0 is all samples.

    Raises
    ------
    InputError
        When the run has learned nothing across genes or has no such fold, or the file is damaged.
    """
    path = _path(folder, number)
    if not path.is_file():
        raise InputError(
            f"{folder.parent} has no {CROSS_GENE}/{path.name}; give a finished run of the same folds with a "
            "model that learns across genes, such as ensemble"
        )
    state = read_state(path)
    with damage_as_input_error(path):
        prior = state.parts["prior"].arrays
        learned = LearnedAcrossGenes(
            state.arrays["samples"].tobytes().hex(), EffectPriorModel(prior["kernels"], prior["outcomes"])
        )
        if "annotations" not in state.parts:
            return learned
        found = state.parts["annotations"].arrays
        model = AnnotationModel(found["scores"], found["information"], found["start"])
        return replace(learned, annotations=model)


def _state(model: EffectPriorModel | AnnotationModel, *names: str) -> State:
    return State(arrays={name: np.array(getattr(model, name)) for name in names})


def _path(folder: Path, number: int) -> Path:
    return folder / f"fold-{number}.safetensors"

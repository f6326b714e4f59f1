"""Fitted models, read back from a folder of kept models as genes are asked for."""

from pathlib import Path
from typing import cast

from haploscribe.errors import InputError
from haploscribe.estimators.protocol import Estimator
from haploscribe.estimators.registry import ESTIMATOR_NAMES, estimator_factories, shared_factories
from haploscribe.estimators.shared_protocol import SharedEstimator
from haploscribe.io.model_folder import gene_file, read_record, shared_file
from haploscribe.io.state_files import read_state


class KeptModels:
    """The models of a folder.

    Parameters
    ----------
    folder
        What `run` left as `models`.

    Attributes
    ----------
    record
        What was trained, on what.

    Raises
    ------
    InputError
        When the folder cannot be read, or has a model that this version does not know.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = read_record(folder)
        unknown = [name for name in self.record.models if name not in ESTIMATOR_NAMES]
        if unknown:
            raise InputError(
                f"{folder} has a model {unknown[0]!r} that this version of Haploscribe does not know; "
                "upgrade it"
            )
        self._own = estimator_factories(self.record.models, self.record.seed)
        self._shared: dict[str, SharedEstimator] | None = None

    def of_gene(self, number: int) -> dict[str, Estimator | SharedEstimator]:
        """Restore the models of one gene.

        Parameters
        ----------
        number
            The gene's place in the record.

        Returns
        -------
        By name, in the order of the record; those that learned from all genes among them.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        path = gene_file(self.folder, number)
        states = read_state(path).parts["models"].parts if self._own else {}
        missing = [name for name in self._own if name not in states]
        if missing:
            raise InputError(
                f"{path} lacks the model {missing[0]}; copy the whole folder again, or run again"
            )
        own = {name: make().restore(states[name]) for name, make in self._own.items()}
        found = {**own, **self._read_shared()}
        return {name: cast("Estimator | SharedEstimator", found[name]) for name in self.record.models}

    def _read_shared(self) -> dict[str, SharedEstimator]:
        if self._shared is None:
            makers = shared_factories(self.record.models, self.record.seed)
            self._shared = {
                name: make().restore(read_state(shared_file(self.folder, name)))
                for name, make in makers.items()
            }
        return self._shared

"""What kept models say of the zero-shot models beside them: whose weights, read how, around how much DNA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from haploscribe.config.options import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.io.run_record import weights_record
from haploscribe.zero_shot.predictions import Averaging
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, LoadedModel, read_models

_ROOM = 20_000
"""Base pairs beyond a model's window: haplotypes with deletions reach that far for as many bases."""


@dataclass(frozen=True, slots=True)
class ZeroShotRecord:
    """The zero-shot models of a run.

    Attributes
    ----------
    enformer_tracks, borzoi_tracks, shifts, reverse_complement
        As in `ZeroShotOptions`.
    reach
        Base pairs to either side of a TSS in which the variants of training are kept for them.
    weights
        For each model, `digest` of its weights and `reading`, what is read of its output.
    """

    enformer_tracks: tuple[str, ...]
    borzoi_tracks: tuple[str, ...]
    shifts: tuple[int, ...]
    reverse_complement: bool
    reach: int
    weights: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls, models: Sequence[LoadedModel], options: ZeroShotOptions, inputs: Mapping[str, Mapping[str, str]]
    ) -> "ZeroShotRecord | None":
        """Record a run's models; None where it has none.

        Parameters
        ----------
        models, options
            The run's.
        inputs
            What `weights_record` says of each, by name, others among them: weights are large, and digested
            once.
        """
        if not models:
            return None
        widest = max(max(loaded.model.upstream, loaded.model.downstream) for loaded in models)
        return cls(
            options.enformer_tracks,
            options.borzoi_tracks,
            options.shifts,
            options.reverse_complement,
            widest + max(map(abs, options.shifts)) + _ROOM,
            {
                loaded.model.name: {
                    name: value for name, value in inputs[loaded.model.name].items() if name != "path"
                }
                for loaded in models
            },
        )

    @property
    def averaging(self) -> Averaging:
        """What predictions are averaged over."""
        return Averaging(self.shifts, self.reverse_complement)

    def reopened(self, given: ZeroShotOptions, device: str) -> list[LoadedModel]:
        """Read the weights that are given, and hold them against those of the run.

        Parameters
        ----------
        given
            Whose weights are set is read; all else is as in the run.
        device
            As `BackboneOptions.device`.

        Raises
        ------
        InputError
            When weights cannot be read, or are not those of the run; when some are given for a model that
            the run does not have.
        """
        asked = [name for name in ZERO_SHOT_NAMES if getattr(given, name) is not None]
        for name in asked:
            if name not in self.weights:
                raise InputError(f"--{name}: the models are not of a run with {name}; leave it out")
        options = replace(
            given,
            enformer_tracks=self.enformer_tracks,
            borzoi_tracks=self.borzoi_tracks,
            shifts=self.shifts,
            reverse_complement=self.reverse_complement,
        )
        models = read_models(asked, options, device)
        for loaded in models:
            name, found = loaded.model.name, weights_record(loaded)
            if any(found[part] != value for part, value in self.weights[name].items()):
                raise InputError(
                    f"--{name} {loaded.weights}: other weights than those of the run, or read otherwise; "
                    "give the ones that the run had"
                )
        return models

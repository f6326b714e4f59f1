"""A transformer over tile deltas, trained on all genes together."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Self

import numpy as np
import torch

from haploscribe.errors import InputError
from haploscribe.estimators.base import MultiGeneEstimator, State, require_complete
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.transformer.multi_gene_axes import MultiGeneAxes, fit_multi_gene_axes
from haploscribe.estimators.transformer.multi_gene_network import (
    GeneTokens,
    MultiGeneNetwork,
    multi_gene_training_epochs,
    own_effects,
    own_outputs,
)
from haploscribe.estimators.transformer.network import restore_weights, weights_state
from haploscribe.estimators.transformer.token_pooling import pooled
from haploscribe.expression.genes import Gene, GeneSplit, split_genes
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array

N_INNER_BLOCKS = 3
"""Blocks of genes; a network for each, which learns from the others."""


@dataclass(frozen=True, slots=True)
class TrainedGene:
    """What is kept of a gene that was learned from.

    Attributes
    ----------
    intercept
        What all else is added to.
    network
        Which of the networks did not learn from this gene.
    tiles
        Start and end of each tile, in genome order; empty where there was nothing to learn from, and the
        intercept is predicted.
    effects
        float32 `(n_tokens, n_scores)`; the gene's own linear effects.
    """

    intercept: float
    network: int
    tiles: tuple[tuple[int, int], ...]
    effects: Float32Array

    def state(self) -> State:
        """Return all of it."""
        return State(
            {"intercept": self.intercept, "network": self.network},
            {"tiles": np.array(self.tiles, dtype=np.int64).reshape(-1, 2), "effects": self.effects},
        )

    @classmethod
    def restored(cls, state: State) -> Self:
        """Restore it from what `state` returned."""
        tiles = tuple((start, end) for start, end in state.arrays["tiles"].tolist())
        numbers, effects = state.numbers, state.arrays["effects"]
        return cls(numbers["intercept"], int(numbers["network"]), tiles, effects)


class MultiGeneTransformer(MultiGeneEstimator):
    """Expression as f(haplotype 0) + f(haplotype 1), with f a small transformer that all genes share.

    Each bin of a tile is a token: its delta on axes that all genes share (`multi_gene_axes`), short tiles
    sharing one (`token_pooling`), and its signed distance to the TSS along the gene's strand
    (`multi_gene_network`). The loss is that of signed differences between two samples at one gene, over all
    pairs, so that the level of a gene, which sequence predicts across genes but which says
    nothing of differences between samples, earns nothing.

    A network overfits the samples of the genes that it learned from, and predicts these too well. So the
    genes are cut into three blocks along the genome, and each block has a network that learned from the
    others. Together these say by held-out genes how many epochs help, which may be none. A gene never seen
    gets their mean. A gene that was seen gets the network that did not learn from it, and beside it what is
    particular to the gene, which has a closed form: linear effects of the scores, BLUP of what the network
    leaves. With genes in one place only, no network learns, and those effects are all.

    Parameters
    ----------
    n_scores
        Scores of a token at most.
    width, n_layers, n_heads
        Of the encoder.
    learning_rate
        Of AdamW.
    max_epochs, patience
        Epochs at most, and epochs without improvement after which training stops.
    seed
        Draws starting weights, order of genes and choice of samples. The same seed gives the same bits on
        one machine with one number of threads; the global random state is neither read nor changed.

    Attributes
    ----------
    n_epochs_
        Epochs of gradient training.
    axes_
        What turns deltas into scores; None where no gene varies.
    networks_
        One for each block of genes, which did not learn from that block.
    genes_
        What was learned of each gene, by its ID.
    """

    reads_deltas: ClassVar[bool] = True
    reads_strand = True

    def __init__(
        self,
        *,
        n_scores: int = 64,
        width: int = 32,
        n_layers: int = 1,
        n_heads: int = 2,
        learning_rate: float = 1e-3,
        max_epochs: int = 6,
        patience: int = 2,
        seed: int = 0,
    ) -> None:
        self.n_scores = n_scores
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed

    def fit(
        self,
        genes: Iterable[GeneInputs],
        expression: Sequence[Float64Array],
        validation: BoolArray | None = None,
    ) -> Self:
        """Train the networks, then learn each gene's own effects; see `MultiGeneEstimator.fit`.

        Samples set aside for validation are those in which held-out genes are judged, and networks learn
        from the others; without them, both do with all.

        Raises
        ------
        InputError
            For values that are not finite, or tiles that disagree in dimension; for fewer than two samples
            for validation, or two others.
        """
        if validation is not None and min(validation.sum(), (~validation).sum()) < 2:
            raise InputError(
                f"transformer-all: {validation.sum()} of {validation.size} samples are for validation, but "
                "it takes two and two others: fix the split or give more samples"
            )
        self.axes_ = fit_multi_gene_axes(genes, self.n_scores)
        self.n_epochs_ = 0
        self.networks_: list[MultiGeneNetwork] = []
        self.genes_: dict[str, TrainedGene] = {}
        read: dict[Gene, GeneTokens] = {}
        tiles: dict[Gene, tuple[tuple[int, int], ...]] = {}
        learned: list[Float64Array] = []
        for inputs, values in zip(genes, expression, strict=True):
            require_complete(inputs, values)
            inputs = inputs.drop_reference_tiles()  # noqa: PLW2901 - nothing else of it is to be read
            if self.axes_ is None or not inputs.tiles:
                nothing = np.empty((0, 0), dtype=np.float32)
                self.genes_[inputs.gene.gene_id] = TrainedGene(float(values.mean()), 0, (), nothing)
            else:
                read[inputs.gene] = _tokens(self.axes_, inputs)
                tiles[inputs.gene] = tuple((tile.start, tile.end) for tile in inputs.tiles)
                learned.append(values)
        if self.axes_ is not None:
            blocks = _inner_blocks(read)
            self._train(self.axes_, blocks, list(read.values()), learned, validation)
            self._learn_genes(blocks, read, tiles, learned)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression from both haplotypes; see `MultiGeneEstimator.predict`.

        At a gene never seen, what is predicted is the difference from a person who carries the reference on
        both haplotypes. At a gene that was seen, a tile that was not there in training is left out, and one
        that is missing here is taken as reference in all samples.

        Raises
        ------
        InputError
            If deltas have another dimension than those of `fit`, or are not finite.
        """
        seen = self.genes_.get(inputs.gene.gene_id)
        if self.axes_ is None or not (inputs.tiles if seen is None else seen.tiles):
            return np.full(len(inputs.sample_ids), 0.0 if seen is None else seen.intercept)
        if seen is None:
            gene = _tokens(self.axes_, inputs)
            reference = gene.reference()
            differences = [network.outputs(gene) - network.outputs(reference) for network in self.networks_]
            return np.asarray(np.mean(differences, axis=0))
        inputs = _with_tiles(inputs, seen, len(self.axes_.axes))
        gene = _tokens(self.axes_, inputs)
        return seen.intercept + self.networks_[seen.network].outputs(gene) + own_outputs(gene, seen.effects)

    def state(self) -> State:
        """Return axes, networks and what is particular to genes; see `MultiGeneEstimator.state`."""
        networks = {str(i): weights_state(network) for i, network in enumerate(self.networks_)}
        genes = {gene_id: seen.state() for gene_id, seen in self.genes_.items()}
        return State(
            {"n_epochs": self.n_epochs_},
            {} if self.axes_ is None else {"axes": self.axes_.axes},
            {"networks": State(parts=networks), "genes": State(parts=genes)},
        )

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `MultiGeneEstimator.restore`."""
        self.n_epochs_ = int(state.numbers["n_epochs"])
        self.axes_, self.networks_ = None, []
        genes = state.parts["genes"].parts
        self.genes_ = {gene_id: TrainedGene.restored(seen) for gene_id, seen in genes.items()}
        if "axes" in state.arrays:
            self.axes_ = MultiGeneAxes(state.arrays["axes"])
            for weights in state.parts["networks"].parts.values():
                network = self._untrained(self.axes_.axes.shape[1])
                restore_weights(network, weights)
                self.networks_.append(network)
        return self

    def _train(
        self,
        axes: MultiGeneAxes,
        blocks: Sequence[GeneSplit],
        genes: Sequence[GeneTokens],
        expression: Sequence[Float64Array],
        validation: BoolArray | None,
    ) -> None:
        """Train the networks, all as long as held-out genes are predicted better; of equals, the fewest."""
        all_samples = np.arange(len(expression[0]))
        learning = all_samples if validation is None else np.flatnonzero(~validation)
        judged = all_samples if validation is None else np.flatnonzero(validation)
        networks = [self._untrained(axes.axes.shape[1]) for _ in blocks]
        states = [
            multi_gene_training_epochs(
                network,
                [genes[i].take(learning) for i in block.training.tolist()],
                [expression[i][learning] for i in block.training.tolist()],
                self.learning_rate,
                self.seed,
            )
            for network, block in zip(networks, blocks, strict=True)
        ]
        losses: list[float] = []
        for _ in islice(zip(*states, strict=True), self.max_epochs + 1):
            residuals = (
                expression[i][judged] - network.outputs(genes[i].take(judged))
                for network, block in zip(networks, blocks, strict=True)
                for i in block.held_out.tolist()
            )
            losses.append(sum(float(residual.var()) for residual in residuals))
            if losses[-1] < min(losses[:-1], default=np.inf):
                self.n_epochs_, self.networks_ = len(losses) - 1, deepcopy(networks)
            if len(losses) > self.n_epochs_ + self.patience:
                break
        for network in self.networks_:
            network.requires_grad_(requires_grad=False)

    def _learn_genes(
        self,
        blocks: Sequence[GeneSplit],
        read: Mapping[Gene, GeneTokens],
        tiles: Mapping[Gene, tuple[tuple[int, int], ...]],
        expression: Sequence[Float64Array],
    ) -> None:
        """Learn each gene's own effects beside the network that did not learn from it."""
        network_of = {i: number for number, block in enumerate(blocks) for i in block.held_out.tolist()}
        for i, (gene, tokens) in enumerate(read.items()):
            shared = self.networks_[network_of[i]].outputs(tokens)
            effects = own_effects(tokens, expression[i] - shared)
            level = float((expression[i] - shared - own_outputs(tokens, effects)).mean())
            self.genes_[gene.gene_id] = TrainedGene(level, network_of[i], tiles[gene], effects)

    def _untrained(self, n_scores: int) -> MultiGeneNetwork:
        return MultiGeneNetwork(
            n_scores,
            width=self.width,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            generator=torch.Generator().manual_seed(self.seed),
        )


def _tokens(axes: MultiGeneAxes, inputs: GeneInputs) -> GeneTokens:
    """Score a gene's tiles on the shared axes; short ones share a token (`token_pooling`)."""
    return GeneTokens.of(pooled(axes.scored(inputs), inputs.gene), inputs.gene)


def _inner_blocks(read: Mapping[Gene, GeneTokens]) -> tuple[GeneSplit, ...]:
    """Cut the genes into blocks; where they lie too close for that, into one that nothing learns from."""
    tiles = [tokens.tiles for tokens in read.values()]
    spans = np.array([(found[0].start, found[-1].end) for found in tiles], dtype=np.int64)
    blocks = split_genes(list(read), spans, min(N_INNER_BLOCKS, len(read)))
    return blocks if all(block.training.size for block in blocks) else split_genes(list(read), spans, 1)


def _with_tiles(inputs: GeneInputs, seen: TrainedGene, dimension: int) -> GeneInputs:
    """Return a gene the tiles it had in training."""
    tiles = {(tile.start, tile.end): tile for tile in inputs.tiles}
    # Tiles of several bins do not share tokens.
    n_bins = max(len(seen.effects) // len(seen.tiles), 1)
    reference = np.zeros((1, n_bins, dimension), dtype=np.float32)
    index = np.zeros((len(inputs.sample_ids), 2), dtype=np.int32)
    return replace(
        inputs,
        tiles=tuple(
            tiles.get((start, end)) or TileDeltas(start, end, reference, index) for start, end in seen.tiles
        ),
    )

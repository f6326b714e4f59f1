"""The model that training starts from, and its two token tables, which 6-mers of like spelling share."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from haploscribe.embedding.backbones.esm import EsmConfiguration
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.pretraining.vocabulary import VOCABULARY

LONGEST_WORD = 3
_INPUT_SPREAD, _OUTPUT_SPREAD = 0.5, 0.1
"""Standard deviations that the shared part of a row starts with, in the token table and in the head's."""


class SharedWords(nn.Module):
    """Adds to each 6-mer's row of a table a vector for each word of one to three bases at each place in it.

    A genome of some millions of bases shows each of 4,096 6-mers only so often, and a model that learns
    every row by itself first has to find out which 6-mers are alike. Here what is learned of one holds for
    those that share words with it. The sum is again a plain table: this is a way to train, not another model.

    Parameters
    ----------
    dimension
        Length of a row.
    spread
        Standard deviation of the sums at the start.
    """

    spelled: Tensor

    def __init__(self, dimension: int, spread: float) -> None:
        super().__init__()
        numbers: dict[tuple[int, str], int] = {}
        rows, columns = [], []
        for row, token in enumerate(VOCABULARY):
            if len(token) != K or token.startswith("<"):
                continue
            for length in range(1, LONGEST_WORD + 1):
                for place in range(K - length + 1):
                    rows.append(row)
                    word = (place, token[place : place + length])
                    columns.append(numbers.setdefault(word, len(numbers)))
        spelled = torch.zeros(len(VOCABULARY), len(numbers))
        spelled[rows, columns] = 1.0
        self.register_buffer("spelled", spelled, persistent=False)
        n_words = sum(K - length + 1 for length in range(1, LONGEST_WORD + 1))
        self.words = nn.Parameter(torch.randn(len(numbers), dimension) * (spread / math.sqrt(n_words)))

    def forward(self, table: Tensor) -> Tensor:
        """Add the words' vectors to a table `(vocabulary_size, dimension)`."""
        return table + self.spelled @ self.words


def starting_model(configuration: EsmConfiguration, seed: int) -> EsmV2ForMaskedTokens:
    """Make the model with its first weights: the same for a seed, on any device.

    Matrices start with standard deviation 1/√inputs, those that write to the residual stream with that over
    √(2 · layers) (Radford et al., 2019): the 0.02 that suits published widths leaves a narrow model without
    context for long.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EsmV2ForMaskedTokens(configuration)
        for name, module in model.esm.encoder.layer.named_modules():
            if isinstance(module, nn.Linear):
                writes = name.endswith("output.dense")
                share = 2 * configuration.n_layers if writes else 1
                nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features * share))
        nn.init.normal_(model.lm_head.dense.weight, std=1 / math.sqrt(configuration.hidden_size))
        for module, spread in (
            (model.esm.embeddings.word_embeddings, _INPUT_SPREAD),
            (model.lm_head.decoder, _OUTPUT_SPREAD),
        ):
            words = SharedWords(configuration.hidden_size, spread)
            parametrize.register_parametrization(module, "weight", words)
    return model


def plain_weights(configuration: EsmConfiguration, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sum up shared words: from the parameters of a model in training to the tensors of a checkpoint.

    Parameters
    ----------
    configuration
        Dimensions of the model.
    tensors
        All parameters of `starting_model`'s model, by name.

    Returns
    -------
    dict
        Contiguous float32 tensors by their published names.
    """
    model = starting_model(configuration, seed=0)
    model.load_state_dict(tensors)
    for module in (model.esm.embeddings.word_embeddings, model.lm_head.decoder):
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}

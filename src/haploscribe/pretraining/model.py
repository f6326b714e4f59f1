"""Initialise a backbone, and write its checkpoint folder and model card."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils import parametrize

from haploscribe._version import __version__
from haploscribe.config.pretraining import PretrainingOptions
from haploscribe.embedding.backbones.checkpoint import CONFIGURATION_FILE, VOCABULARY_FILE, WEIGHTS_FILE
from haploscribe.embedding.backbones.esm import POSITION_OFFSET, EsmConfiguration
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.pretraining.batches import VOCABULARY
from haploscribe.utils.files import atomic_write

LONGEST_SUBWORD = 3
LOSS_COLUMNS = ("step", "training_bits_per_base", "held_out_bits_per_base")

_INPUT_STD, _OUTPUT_STD = 0.5, 0.1
"""Initial standard deviations of the shared part of a row, in the token embedding and in the output layer."""


class SubwordParametrization(nn.Module):
    """Add to each 6-mer's row of a table one vector per subword of one to three bases and its position.

    In a genome of a few million bases each of the 4,096 6-mers is rare, and a model with independent rows
    first has to learn which 6-mers are similar. With this parametrisation, 6-mers that share subwords share
    weights. The sum is again a plain table, so the checkpoint is that of an ordinary model.

    Parameters
    ----------
    dimension
        Length of a row.
    std
        Initial standard deviation of a row's sum.
    """

    spelled: Tensor

    def __init__(self, dimension: int, std: float) -> None:
        super().__init__()
        indices: dict[tuple[int, str], int] = {}
        rows, columns = [], []
        for row, token in enumerate(VOCABULARY):
            if len(token) != K or token.startswith("<"):
                continue
            for length in range(1, LONGEST_SUBWORD + 1):
                for offset in range(K - length + 1):
                    rows.append(row)
                    subword = (offset, token[offset : offset + length])
                    columns.append(indices.setdefault(subword, len(indices)))
        spelled = torch.zeros(len(VOCABULARY), len(indices))
        spelled[rows, columns] = 1.0
        self.register_buffer("spelled", spelled, persistent=False)
        n_subwords = sum(K - length + 1 for length in range(1, LONGEST_SUBWORD + 1))
        self.words = nn.Parameter(torch.randn(len(indices), dimension) * (std / math.sqrt(n_subwords)))

    def forward(self, table: Tensor) -> Tensor:
        """Add the subwords' vectors to a table `(vocabulary_size, dimension)`."""
        return table + self.spelled @ self.words


def initial_model(configuration: EsmConfiguration, seed: int) -> EsmV2ForMaskedTokens:
    """Return the model with its initial weights: the same for a seed, on any device.

    Matrices are drawn with standard deviation 1/√inputs, those that write to the residual stream with that
    over √(2 · layers) (Radford et al., 2019): with the 0.02 that suits the published widths, a narrow model
    takes long to learn any context.
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
        for module, std in (
            (model.esm.embeddings.word_embeddings, _INPUT_STD),
            (model.lm_head.decoder, _OUTPUT_STD),
        ):
            subwords = SubwordParametrization(configuration.hidden_size, std)
            parametrize.register_parametrization(module, "weight", subwords)
    return model


def checkpoint_weights(configuration: EsmConfiguration, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Merge the subword parametrisation into plain tables: from training parameters to checkpoint tensors.

    Parameters
    ----------
    configuration
        Dimensions of the model.
    tensors
        All parameters of a model from `initial_model`, by name.

    Returns
    -------
    dict
        Contiguous float32 tensors by their published names.
    """
    model = initial_model(configuration, seed=0)
    model.load_state_dict(tensors)
    for module in (model.esm.embeddings.word_embeddings, model.lm_head.decoder):
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def published_configuration(
    *, hidden_size: int, layers: int, heads: int, feed_forward: int, window: int
) -> dict[str, Any]:
    """Return the content of `config.json`, as in the published models of the second version.

    Parameters
    ----------
    hidden_size, layers, heads, feed_forward
        Dimensions.
    window
        Longest input in base pairs: the training length, since rotary positions do not extrapolate.
    """
    return {
        "architectures": ["EsmForMaskedLM"],
        "model_type": "esm",
        "vocab_size": len(VOCABULARY),
        "hidden_size": hidden_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
        "max_position_embeddings": window // K + 1 + POSITION_OFFSET,
        "position_embedding_type": "rotary",
        "add_bias_fnn": False,
        "emb_layer_norm_before": False,
        "token_dropout": False,
        "tie_word_embeddings": False,
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": VOCABULARY.index("<pad>"),
        "mask_token_id": VOCABULARY.index("<mask>"),
        "torch_dtype": "float32",
    }


def write_model_folder(
    folder: Path, configuration: Mapping[str, Any], weights: Mapping[str, Tensor], card: str, losses: str
) -> None:
    """Write a model in the hub's format; the files are replaced together, once all are written.

    Parameters
    ----------
    folder
        Existing output folder.
    configuration
        Content of `config.json`.
    weights
        Tensors by their published names.
    card
        The model card, `README.md`.
    losses
        The loss curve, `losses.tsv`.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    files = {
        CONFIGURATION_FILE: (json.dumps(configuration, indent=2) + "\n").encode(),
        VOCABULARY_FILE: ("\n".join(VOCABULARY) + "\n").encode(),
        "losses.tsv": losses.encode(),
        "README.md": card.encode(),
        # "format": "pt" is what transformers looks for before it reads the tensors.
        WEIGHTS_FILE: save(dict(weights), metadata={"format": "pt"}),
    }
    with ExitStack() as together:
        for name, content in files.items():
            together.enter_context(atomic_write(folder / name)).write_bytes(content)


def losses_table(rows: Sequence[Sequence[float]]) -> str:
    """Return the loss curve as TSV: one row per checkpoint, bits per base, `NA` without held-out regions."""
    lines = ["\t".join(LOSS_COLUMNS)]
    lines += [f"{int(step)}\t{training:.6f}\t{_number(held_out, 6)}" for step, training, held_out in rows]
    return "\n".join(lines) + "\n"


def model_card(
    data: Mapping[str, Any],
    options: PretrainingOptions,
    n_parameters: int,
    rows: Sequence[Sequence[float]],
) -> str:
    """Return the model card: Markdown with the hub's header.

    Parameters
    ----------
    data
        Description of the training data, from `pretrain`.
    options
        Options of the run.
    n_parameters
        Number of parameters.
    rows
        Steps done, training loss and held-out loss: one row per checkpoint.
    """
    held_out = ", ".join(data["held_out"]) or "nothing"
    genotypes = "none" if data["variants"] is None else f"`{data['variants']}`, half of all windows"
    step, training_loss, held_out_loss = rows[-1]
    tokens = int(step) * options.batch * options.window // 6
    shape = f"{options.layers}, {options.hidden_size}, {options.heads}, {options.feed_forward}"
    return f"""---
library_name: haploscribe
pipeline_tag: fill-mask
tags: [genomics, dna, nucleotide-transformer]
---

# A small Nucleotide Transformer, trained with Haploscribe {__version__}

Masked language model of DNA: 6-mer tokens, rotary position embeddings, gated feed-forward layers (Nucleotide
Transformer v2), {n_parameters:,} parameters. Use it with `haploscribe run --backbone FOLDER`.
Its longest input is {options.window:,} bp, the only length it was trained on.

## Data
| | |
|---|---|
| reference | `{data["reference"]}` (contig names and upper-case sequence), {data["contigs"]} contigs |
| genotypes | {genotypes} |
| held out | {held_out} |
| trained on | {data["training_bases"]:,} bases other than N |

The weights derive from these data alone; share them under a licence that the data allow. Weights trained on
genotypes may leak information about the samples.

## Training
Windows of {options.window:,} bp without N, from any start (so in any reading frame) and on either strand.
15 % of the 6-mers are predicted (80 % replaced by `<mask>`, 10 % by a random 6-mer, 10 % unchanged).

| | |
|---|---|
| layers, hidden size, heads, feed-forward size | {shape} |
| steps, sequences per step | {int(step):,}, {options.batch} ({tokens:,} tokens in all) |
| optimiser | AdamW, peak learning rate {options.learning_rate:g} (warm-up, stable, decay) |
| seed | {options.seed} |
| torch | {torch.__version__} |

## Losses
In bits per base: cross-entropy of a predicted token divided by six; uniform guessing gives 2.0. The training
loss is the mean since the previous checkpoint. The held-out loss is of fixed windows of the reference, on one
strand, with every predicted token replaced by `<mask>`. The whole curve is in `losses.tsv`.

| step | training | held out |
|---|---|---|
{_some_rows(rows)}
| **{int(step):,}** | **{training_loss:.4f}** | **{_number(held_out_loss, 4)}** |
"""


def _some_rows(rows: Sequence[Sequence[float]], n: int = 10) -> str:
    """Return about `n` evenly spaced rows of the curve, without the last."""
    chosen = rows[:-1][:: max(1, len(rows) // n)] or rows[:1]
    return "\n".join(
        f"| {int(step):,} | {training:.4f} | {_number(held_out, 4)} |" for step, training, held_out in chosen
    )


def _number(value: float, digits: int) -> str:
    return "NA" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124 - NaN differs from itself

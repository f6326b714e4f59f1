"""Whether training several folds or genes of the `transformer` in one batch pays on a CPU.

    python -m benchmarks.batched_training

A training step of the network on 96 people, five after another, against one step on 480 people at once,
which is the best that a batch of five folds or genes could do: it does not even need five sets of weights.
Tokens of a gene as large as real ones: 33 tiles, 18 unique haplotypes each, 256 scores. One thread, processor
time. Writes nothing.
"""

import time

import numpy as np
import torch

from haploscribe.estimators.cross_gene.effect_prior import SHIPPED_PRIOR
from haploscribe.estimators.transformer.network import HaplotypeNetwork, Tokens, difference_loss

N_TILES, N_UNIQUE, N_SCORES, TILE = 33, 18, 256, 5_994
N_SAMPLES, N_BATCHED = 96, 5
N_REPEATS = 20


def made_tokens(n_samples: int) -> Tokens:
    """Random scores, carried at random."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_TILES * N_UNIQUE, N_SCORES)).astype(np.float32)
    carried = rng.integers(0, N_UNIQUE, (n_samples, 2, N_TILES)) + N_UNIQUE * np.arange(N_TILES)
    token = np.repeat(np.arange(N_TILES), N_UNIQUE)
    return Tokens(torch.from_numpy(rows), torch.from_numpy(token), torch.from_numpy(carried))


def seconds_of_step(network: HaplotypeNetwork, tokens: Tokens) -> float:
    """Median processor time of one forward and backward pass."""
    target = torch.zeros(len(tokens.index))
    seconds = []
    for _ in range(N_REPEATS):
        started = time.process_time()
        difference_loss(network(tokens), target).backward()  # type: ignore[no-untyped-call]
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def main() -> None:
    """Time both and print the ratio."""
    torch.set_num_threads(1)
    network = HaplotypeNetwork(
        N_SCORES,
        (TILE * (np.arange(N_TILES) - N_TILES // 2)).astype(np.float32),
        SHIPPED_PRIOR,
        width=32,
        n_layers=1,
        n_heads=2,
        token_norm=N_SCORES**0.5,
        generator=torch.Generator().manual_seed(0),
    )
    one = seconds_of_step(network, made_tokens(N_SAMPLES))
    batch = seconds_of_step(network, made_tokens(N_SAMPLES * N_BATCHED))
    print(f"one step of {N_SAMPLES} people\t{1000 * one:.1f} ms")
    print(f"one step of {N_SAMPLES * N_BATCHED} people\t{1000 * batch:.1f} ms")
    print(f"batch over {N_BATCHED} steps\t{batch / (N_BATCHED * one):.2f}")


if __name__ == "__main__":
    main()

"""The learning rate over the steps of a run."""

WARM_UP_STEPS = 100
DECAY_SHARE = 0.25
"""Share of the steps, at the end, over which the rate falls."""


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Rate of one step: a linear rise, a plateau, and a linear fall towards 0 ("warm-up, stable, decay").

    On the plateau the rate does not depend on `steps`, so a run stopped there can go on for longer and be
    the same as one that was longer from the start (Hägele et al., NeurIPS 2024).

    Parameters
    ----------
    step
        From 0.
    steps
        Steps in all.
    highest
        Rate of the plateau.
    """
    rising = (step + 1) / WARM_UP_STEPS
    falling = (steps - step) / max(1.0, DECAY_SHARE * steps)
    return highest * min(1.0, rising, falling)


def same_so_far(done: int, steps: int, other: int) -> bool:
    """Whether a run of `steps` had the same rates as one of `other` steps, over the first `done`."""
    return all(learning_rate(step, steps, 1.0) == learning_rate(step, other, 1.0) for step in range(done))

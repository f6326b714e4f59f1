"""Where a model runs."""

import torch

from haploscribe.errors import InputError


def resolve_device(device: str) -> torch.device:
    """Find a device by name.

    Parameters
    ----------
    device
        `cpu`, `cuda`, `cuda:1`, …, or `auto`: a GPU where there is one.

    Raises
    ------
    InputError
        When it is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"device {device!r} cannot be used here ({reason}); try 'cpu'") from None
    return resolved

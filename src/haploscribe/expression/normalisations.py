"""What the normalisations of expression are called; apart from them because those need scipy."""

from typing import Literal, get_args

Normalisation = Literal["inverse-normal", "log2p1", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)

"""The colours can be read: by contrast, and by people who see fewer of them."""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from haploscribe.utils.types import Float64Array

STYLE = (files("haploscribe.report") / "page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part))
    for part in STYLE.split("* { box-sizing", 1)[0].split("@media")
)
# Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113), table 1, severity 1, linear RGB.
MACHADO = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> Float64Array:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2."""
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: Float64Array) -> Float64Array:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "mark", "focus"])
def test_text_and_marks_have_contrast(palette: dict[str, str], ground: str, ink: str) -> None:
    assert contrast(palette[ink], palette[ground]) >= 4.5


MODELS = [f"m{i}" for i in range(8)]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("model", MODELS)
def test_marks_of_models_have_contrast(palette: dict[str, str], ground: str, model: str) -> None:
    assert contrast(palette[model], palette[ground]) >= 3


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", MACHADO)
def test_the_first_models_differ_for_the_colour_blind(palette: dict[str, str], vision: str) -> None:
    """Further models differ in their markers too."""
    seen = [lab(np.array(MACHADO[vision]) @ linear(palette[name])) for name in MODELS[:4]]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 20


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_all_models_differ_for_the_others(palette: dict[str, str]) -> None:
    seen = [lab(linear(palette[name])) for name in MODELS]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 25


def test_both_themes_have_the_same_colours() -> None:
    assert list(LIGHT) == list(DARK)

"""Draw the diagrams of the documentation: `python tools/concept_figures.py`.

Each figure holds its own colours for light and dark pages, paints its own paper, and asks for no font.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "images"

_STYLE = """
:root { --paper: #ffffff; --ink: #1d1d1b; --quiet: #5c5c58; --rule: #c9c8c2; --wash: #f0efea;
        --a: #0072b2; --b: #b34700; --c: #00785a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #131416; --ink: #e4e3dd; --quiet: #a5a49d; --rule: #4a4c4e; --wash: #24272a;
          --a: #56b4e9; --b: #f0a04b; --c: #3fc79a; }
}
svg { background: var(--paper); color-scheme: light dark; }
text { font: 15px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: var(--ink); }
.quiet { fill: var(--quiet); font-size: 14px; }
.code { font-family: ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; }
.middle { text-anchor: middle; }
.line { stroke: var(--quiet); stroke-width: 2; fill: none; }
.grid { stroke: var(--rule); stroke-dasharray: 3 4; }
.box { fill: var(--wash); stroke: var(--rule); }
.plain { fill: var(--rule); }
.a { fill: var(--a); } .b { fill: var(--b); } .c { fill: var(--c); }
.on { fill: var(--paper); }
"""

_WIDTH = 460


def main() -> None:
    """Write the figures."""
    for name, drawn in (
        ("overview", overview()),
        ("concept-tiles", tiles()),
        ("concept-dictionary", dictionary()),
        ("concept-folds", folds()),
        ("concept-twin", twin()),
        ("concept-shares", shares()),
    ):
        (FOLDER / f"{name}.svg").write_text(drawn, encoding="utf-8")


def overview() -> str:
    """Draw the way from the inputs to the outputs."""
    parts = [*_box(4, 6, 208, "genotypes, reference", "VCF or PGEN, FASTA")]
    parts += _box(248, 6, 208, "expression, covariates", "tensorQTL's tables")
    parts += [_down(108, 56, 22), _down(352, 56, 194)]
    for row, sequences in enumerate(((0, 1, 0, 0), (1, 1, 2, 0), (0, 2, 2, 0))):
        for tile, sequence in enumerate(sequences):
            kind = ("plain", "a", "b")[sequence]
            parts.append(_rectangle(8 + tile * 50, 86 + row * 20, 46, 14, kind))
    parts += [_text(216, 104, "both haplotypes,", "quiet"), _text(216, 122, "cut into tiles", "quiet")]
    parts += [_down(108, 150, 22), *_box(4, 178, 208, "backbone", "each distinct sequence once")]
    parts += [_down(108, 228, 22), *_box(4, 256, 452, "models on the same folds of people")]
    parts.append(_text(230, 296, "elastic net · BLUP · SuSiE · transformer · your own", "quiet middle"))
    for number, name in enumerate(("report", "predictions", "PredictDB", "FUSION")):
        left = 4 + number * 115
        parts += [_down(left + 54, 306, 18), *_box(left, 330, 107, name, height=34)]
    return _svg(
        parts,
        370,
        "From genotypes and a reference to haplotypes that are cut into tiles, each distinct sequence of "
        "which goes through the backbone once; with expression and covariates to models on the same folds of "
        "people; and from these to a report, predictions, and weights for PredictDB and FUSION.",
    )


def _box(
    left: float, top: float, width: float, title: str, below: str = "", height: float = 50
) -> Iterator[str]:
    """Draw a box with a title, and a quiet line below it."""
    middle = left + width / 2
    yield _rectangle(left, top, width, height, "box")
    yield _text(middle, top + (21 if height > 40 else 22), title, "middle")
    if below:
        yield _text(middle, top + 40, below, "quiet middle")


def _down(x: float, top: float, length: float) -> str:
    return f'<path class="line" d="M {x:g} {top:g} v {length:g} m -5 -6 l 5 6 l 5 -6"/>'


def tiles() -> str:
    """Draw two people's haplotypes on one grid of tiles, a colour for each distinct sequence of a tile."""
    left, width = 52, 98
    parts = [_text(left, 18, "reference, cut into tiles on one grid", "quiet")]
    parts.extend(_rectangle(left + tile * width + 2, 52, width - 4, 18, "plain") for tile in range(4))
    parts.append(f'<path class="line" d="M {left + 1.6 * width:g} 52 v -12 h 18 m -6 -5 l 6 5 l -6 5"/>')
    parts.append(_text(left + 1.6 * width + 26, 45, "TSS of a gene", "quiet"))
    # For each haplotype, which of the tile's sequences it carries: 0 is the reference.
    carried = (("A", 0, (0, 1, 0, 0)), ("A", 1, (1, 1, 2, 0)), ("B", 0, (0, 2, 2, 0)), ("B", 1, (1, 1, 0, 0)))
    for row, (person, copy, sequences) in enumerate(carried):
        top = 96 + row * 34 + (row // 2) * 12
        parts.append(_text(4, top + 15, f"{person}, {copy}"))
        for tile, sequence in enumerate(sequences):
            place = left + tile * width + 2
            parts.append(_rectangle(place, top, width - 4, 20, ("plain", "a", "b")[sequence]))
            parts.extend(_rectangle(place + at, top - 3, 3, 26, "ink-tick") for at in _TICKS[sequence])
    bottom = 96 + 4 * 34 + 12
    parts.append(_lines(52, bottom, [left + tile * width for tile in range(5)]))
    counts = (2, 3, 2, 0)
    for tile, count in enumerate(counts):
        label = f"{count} passes" if count else "none"
        parts.append(_text(left + (tile + 0.5) * width, bottom + 20, label, "middle"))
    parts.append(_text(left, bottom + 44, "a pass a colour, and one for the reference: 7, not 12", "quiet"))
    return _svg(
        parts,
        bottom + 56,
        "Four haplotypes of two people on four tiles. Haplotypes that carry the same variants in a tile have "
        "the same sequence there, which is embedded once: with the reference, seven forward passes "
        "instead of twelve.",
        ".ink-tick { fill: var(--ink); }",
    )


_TICKS: tuple[tuple[int, ...], ...] = ((), (30,), (22, 64))


def dictionary() -> str:
    """Draw one tile as it is stored: who carries which row, the rows, and their deltas."""
    parts = [_text(8, 22, "index"), _text(128, 22, "unique sequences"), _text(330, 22, "deltas")]
    parts += [
        _text(8, 42, "person, copies", "quiet"),
        _text(128, 42, "row", "quiet"),
        _text(330, 42, "less row 0", "quiet"),
    ]
    for row, (person, rows) in enumerate((("A", "0 1"), ("B", "0 2"), ("C", "1 1"), ("D", "0 0"))):
        parts.append(_rectangle(8, 54 + row * 32, 84, 26, "box"))
        parts.append(_text(18, 72 + row * 32, person))
        parts.append(_text(50, 72 + row * 32, rows, "code"))
    sequences = ("…GATTACAGA…", "…GATCACAGA…", "…GA---CAGT…")
    for row, sequence in enumerate(sequences):
        top = 54 + row * 42
        parts.append(_rectangle(128, top, 160, 30, "box"))
        parts.append(_rectangle(128, top, 6, 30, ("plain", "a", "b")[row]))
        parts.append(_text(142, top + 20, str(row)))
        parts.append(_text(166, top + 20, sequence, "code"))
        parts.append(f'<path class="line" d="M 294 {top + 15} h 24 m -6 -5 l 6 5 l -6 5"/>')
        for bar, height in enumerate(_DELTAS[row]):
            up = height > 0
            size = max(abs(height), 2)
            parts.append(
                _rectangle(332 + bar * 14, top + 15 - (size if up else 0), 10, size, ("plain", "a", "b")[row])
            )
    parts.append(_text(8, 206, "n_samples × 2", "quiet"))
    parts.append(_text(128, 206, "n_unique", "quiet"))
    parts.append(_text(330, 206, "× dimension", "quiet"))
    return _svg(
        parts,
        218,
        "One tile as it is stored. An index says which row each copy of each person carries; each distinct "
        "sequence is a row; the delta of a row is its embedding less that of row 0, the reference, and so "
        "all zero there.",
    )


_DELTAS = ((0,) * 8, (9, -4, 2, -12, 6, 0, 3, -5), (-12, 10, -7, 4, 13, -3, -9, 6))


def folds() -> str:
    """Draw five folds of the samples."""
    left, width = 72, 74
    parts = [_text(left, 22, "samples, dealt at random by the seed", "quiet")]
    for row in range(5):
        top = 36 + row * 32
        parts.append(_text(4, top + 18, f"fold {row + 1}"))
        for part in range(5):
            held_out = part == row
            parts.append(_rectangle(left + part * width + 1, top, width - 2, 24, "b" if held_out else "box"))
            if held_out:
                parts.append(_text(left + (part + 0.5) * width, top + 17, "test", "on middle"))
    parts.append(_rectangle(left, 208, 16, 16, "box"))
    parts.append(_text(left + 24, 221, "training: all that is fitted is fitted here"))
    parts.append(_rectangle(left, 234, 16, 16, "b"))
    parts.append(_text(left + 24, 247, "test: predicted once, then compared"))
    return _svg(
        parts,
        260,
        "Five folds. In each, another fifth of the samples is held out as test samples and the others are "
        "training samples, on which everything that is fitted is fitted.",
    )


def twin() -> str:
    """Draw a model of deltas and its dosage twin."""
    parts = []
    for row, (kind, source, left_label) in enumerate(
        (("a", "deltas", "blup-delta"), ("c", "dosages", "blup"))
    ):
        top = 16 + row * 84
        parts += [_rectangle(8, top, 92, 44, kind), _text(54, top + 28, source, "on middle")]
        parts.append(f'<path class="line" d="M 104 {top + 22} h 26 m -6 -5 l 6 5 l -6 5"/>')
        parts += [_rectangle(136, top, 132, 44, "box"), _text(202, top + 28, left_label, "code middle")]
        parts.append(f'<path class="line" d="M 272 {top + 22} h 26 m -6 -5 l 6 5 l -6 5"/>')
        parts.append(_text(306, top + 28, "mean r"))
    parts.append('<path class="line" d="M 366 38 h 12 v 84 h -12"/>')
    parts.append(_text(388, 76, "gain"))
    parts.append(_text(136, 85, "the same model, people, folds", "quiet"))
    parts.append(_text(8, 176, "What is gained over the twin is what the backbone is worth.", "quiet"))
    return _svg(
        parts,
        190,
        "The same model on deltas and on dosages, with the same people and folds. The difference of their "
        "mean correlations is what the backbone is worth.",
    )


def shares() -> str:
    """Draw a prediction as the level and what each haplotype adds, and an allele's effect within one."""
    zero, scale = 250, 150
    parts = [_text(8, 22, "f reads each copy"), _text(zero, 22, "what it adds")]
    for row, (name, allele, share) in enumerate((("0", True, 0.42), ("1", False, -0.16))):
        top = 38 + row * 44
        parts += [_text(8, top + 20, name), _rectangle(26, top + 8, 110, 14, "plain")]
        parts += [_rectangle(52, top + 5, 3, 20, "ink-tick")]
        parts += [_rectangle(96, top + 5, 3, 20, "b")] if allele else []
        parts.append(_text(146, top + 20, "f", "code"))
        parts.append(_bar(zero, top + 3, share * scale, "a"))
        parts.append(_text(zero + (share if share > 0 else 0) * scale + 10, top + 20, _signed(share)))
    parts.append(f'<path class="line" d="M {zero} 34 V 176"/>')
    parts += [_text(8, 152, "level + both"), _bar(zero, 134, 0.31 * scale, "c")]
    parts += [_text(zero + 0.31 * scale + 10, 151, "+.31"), _text(396, 151, "level +.05", "quiet middle")]
    parts.append(f'<path class="grid" d="M 8 192 H {_WIDTH - 8}"/>')
    parts.append(_text(8, 216, "the effect of one allele: with it, less without"))
    for row, (allele, share) in enumerate(((True, 0.42), (False, 0.07))):
        top = 226 + row * 34
        parts += [_rectangle(26, top + 8, 110, 14, "plain"), _rectangle(52, top + 5, 3, 20, "ink-tick")]
        parts += [_rectangle(96, top + 5, 3, 20, "b")] if allele else []
        parts += [_text(146, top + 20, "f", "code"), _bar(zero, top + 3, share * scale, "a")]
        parts.append(_text(zero + share * scale + 10, top + 20, _signed(share)))
    parts.append('<path class="line" d="M 372 242 h 12 v 34 h -12"/>')
    parts.append(_text(392, 264, "+.35"))
    return _svg(
        parts,
        298,
        "A person has two copies of a gene. One function reads each and says what it adds: copy 0 adds .42, "
        "copy 1 takes away .16, and with the level of .05 the prediction is .31. The effect of one allele is "
        "what the function says of a haplotype with it, .42, less without it, .07: .35.",
        ".ink-tick { fill: var(--ink); }",
    )


def _bar(zero: float, top: float, length: float, kind: str) -> str:
    return _rectangle(zero + min(length, 0), top, abs(length), 24, kind)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−").replace("0.", ".")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{text}</text>'


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" class="{kind}"/>'


def _lines(top: int, bottom: int, places: Sequence[int]) -> str:
    return "".join(f'<path class="grid" d="M {x} {top} V {bottom}"/>' for x in places)


def _svg(parts: Sequence[str], height: int, description: str, style: str = "") -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{description}">\n'
        f'<style>{_STYLE}{style}</style>\n<rect width="{_WIDTH}" height="{height}" fill="var(--paper)"/>\n'
        f"{body}\n</svg>\n"
    )


if __name__ == "__main__":
    main()

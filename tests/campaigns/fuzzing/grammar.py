"""Text files drawn from their grammars, with every oddity that each allows and some that it does not."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.campaigns.fuzzing.mutations import bgzipped

CONTIGS = ("1", "2", "chrX")
PEOPLE = ("a", "b b", "c")
END = 3_000
"""Behind the last base of every record."""

_REFERENCES = ("A", "C", "g", "N", "R", "ACG", "acgt", "A" * 700)
_NO_REFERENCES = ("*", "<DEL>", "A,C", ".", "")
_ALTERNATES = ("C", "t", "ACG", "N", "Y", "*", "<DEL>", "<DUP:TANDEM>", "A[2:5[", "<*>", ".", "G" * 500)
_CALLS = ("0|0", "0|1", "1|0", "1|1", "0/1", "./.", ".|1", "0|.", "0", "1", ".", "0|1:5", "1/0:.")
_NO_CALLS = ("0|1|1", "9|9", "-1|0", "a", "", "1|", "|", "300|0", "0|1:5:6:7", "0 1")
_INFOS = (".", "DP=3", "END=2999", "END=1", "SVLEN=-5;END=9", "X=1,2;;Y", "=", "END=x", "DP=1;DP=2", "é=ü")
_FORMATS = ("GT", "GT", "GT", "GT:DP", "DP:GT", "DP", ".")

_PACKED: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, bgzipped, gzip.compress)


@dataclass(frozen=True)
class DrawnTable:
    """A table of text: what the file has, cell by cell, and its bytes."""

    header: list[str]
    rows: list[list[str]]
    content: bytes


@st.composite
def vcfs(draw: st.DrawFn) -> bytes:
    """Draw a VCF, plain or compressed; half of them have nothing that must be refused."""
    wild = draw(st.booleans())
    text = st.sampled_from
    records = []
    for contig in draw(st.lists(text(CONTIGS), unique=True, max_size=3)):
        positions = draw(st.lists(st.integers(1, END - 800) | st.integers(1, 9), max_size=6))
        for position in positions if wild and draw(st.integers(0, 4)) == 0 else sorted(positions):
            reference = draw(text((*_REFERENCES, *_NO_REFERENCES) if wild else _REFERENCES))
            alternates = draw(st.lists(text(_ALTERNATES), min_size=1, max_size=3))
            calls = st.lists(text((*_CALLS, *_NO_CALLS) if wild else _CALLS), min_size=3, max_size=3)
            cells = [contig, str(position), draw(text((".", "rs1", ";"))), reference, ",".join(alternates)]
            cells += [draw(text((".", "9", "1e3"))), draw(text((".", "PASS", "q10;s50"))), draw(text(_INFOS))]
            cells += [draw(text(_FORMATS)), *draw(calls)]
            if wild and draw(st.integers(0, 9)) == 0:
                del cells[draw(st.integers(0, len(cells) - 1))]
            records.append("\t".join(cells))
    named = CONTIGS[: draw(st.integers(0, 3))] if wild else CONTIGS
    header = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name}>" for name in named)]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    header += ["\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *PEOPLE))]
    ends = draw(st.sampled_from(("\n", "\n", "\n", "\r\n"))) if wild else "\n"
    content = (ends.join((*header, *records)) + ends).encode()
    return draw(st.sampled_from(_PACKED))(content)


_NUMBERS = (
    st.floats(-1e9, 1e9).map(repr)
    | st.integers(-(10**12), 10**12).map(str)
    | st.sampled_from(("0", "-0.0", "1e5", "1E-5", "+5", " 2 ", "1.", ".5", "1e-320", "00012"))
)
_NO_NUMBERS = ("NA", "", "nan", "inf", "-", "0x1", "1_0", "1,5", "1e999", "1e200", "x", "\u0663", "1e", "--1")
_NAMES = st.text(st.sampled_from("abZ09.-_ '\"é中"), min_size=1, max_size=5).map(str.strip).filter(bool)


def _cells(wild: bool) -> st.SearchStrategy[str]:
    return _NUMBERS | _NUMBERS | _NUMBERS | st.sampled_from(_NO_NUMBERS) if wild else _NUMBERS


@st.composite
def _written(draw: st.DrawFn, header: list[str], rows: list[list[str]], *, wild: bool) -> DrawnTable:
    """Write a table in one of the ways that editors and programs have."""
    lines = ["\t".join(row) for row in (header, *rows)]
    if wild and draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = draw(st.sampled_from((lines[place] + "\tx", lines[place].rpartition("\t")[0], "")))
    comments = draw(st.sampled_from(([], [], ["## made by hand", "##"])))
    end = draw(st.sampled_from(("\n", "\n", "\r\n")))
    text = end.join((*comments, *lines)) + draw(st.sampled_from(("", end, end * 3)))
    start = b"" if comments else draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf")))
    pack = draw(st.sampled_from(_PACKED))
    return DrawnTable(header, rows, pack(start + text.encode()))


@st.composite
def expression_tables(draw: st.DrawFn) -> DrawnTable:
    """Draw a BED of expression, of either dialect."""
    wild = draw(st.booleans())
    dialects = [["#chr", "start", "end", "gene_id"], ["#chr", "start", "end", "pid", "gid", "strand"]]
    described = draw(st.sampled_from(dialects + [["#Chr", "start", "pid"], ["x"]] * wild))
    samples = draw(st.lists(_NAMES, unique=not wild, min_size=0 if wild else 1, max_size=4))
    samples = [f"s{name}" if name.lower() in {"strand", "gid", "pid"} else name for name in samples]
    rows = []
    for number in range(draw(st.integers(0 if wild else 1, 4))):
        end = draw(st.integers(-1 if wild else 1, 10**9))
        start = draw(st.integers(0, 10**9)) if wild else max(end - 1, 0)
        gene = draw(_NAMES) if wild else f"{draw(_NAMES)}{number}"
        about = [
            draw(st.sampled_from(CONTIGS)),
            str(start),
            str(end),
            gene,
            "group",
            draw(st.sampled_from("+-.")),
        ]
        rows.append([*about[: len(described)], *(draw(_cells(wild)) for _ in samples)])
    return draw(_written([*described, *samples], rows, wild=wild))


@st.composite
def covariate_tables(draw: st.DrawFn) -> DrawnTable:
    """Draw covariates in tensorQTL's layout."""
    wild = draw(st.booleans())
    least = 0 if wild else 1
    samples = draw(st.lists(_NAMES, unique=not wild, min_size=least, max_size=4))
    names = draw(st.lists(_NAMES, unique=not wild, min_size=least, max_size=4))
    rows = [[name, *(draw(_cells(wild)) for _ in samples)] for name in names]
    return draw(_written(["id", *samples], rows, wild=wild))


_WHOLE = st.integers(-3, 300) | st.sampled_from((0, 1, 2**31, 10**30))
_WILD = st.one_of(
    _WHOLE,
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=4),
    st.sampled_from(("5", " 5", "1e3", "nan", "a,b", "none", [], [1, 2], ["a", "b"], {}, "")),
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "models": st.sampled_from(("blup", "blup,lasso", ["blup", "lasso"], ["blup"])),
    "folds": _WHOLE,
    "window": _WHOLE,
    "tile": _WHOLE,
    "seed": _WHOLE,
    "maf": st.floats(0, 0.5) | st.integers(0, 1),
    "normalize": st.sampled_from(("none", "log2p1", "inverse-normal")),
    "assume-phased": st.booleans(),
    "no-ambiguous": st.booleans(),
    "reverse-complement": st.booleans(),
    "layer": _WHOLE,
    "shifts": st.sampled_from(("0", "-1,0,1", 0, 3)),
    "genes": _NAMES,
    "split": _NAMES,
}


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Draw options of `run`, by their names on the command line or with underscores."""
    names = draw(st.lists(st.sampled_from(sorted(_VALUES)), unique=True, max_size=5))
    wild = draw(st.booleans())
    found = {name: draw(_VALUES[name] | _WILD if wild else _VALUES[name]) for name in names}
    if draw(st.booleans()):
        found = {name.replace("-", "_"): value for name, value in found.items()}
    if wild and draw(st.integers(0, 4)) == 0:
        found[draw(st.sampled_from(("windows", "config", "é", "OUT", "")))] = 1
    return found


def toml_of(options: dict[str, Any]) -> str:
    """Write options as TOML, which takes a key in quotes, and JSON's values but objects and null."""
    return "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in options.items())

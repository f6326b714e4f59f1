"""The names that exported variants, genes and files go by."""

import re
from collections import Counter
from collections.abc import Sequence

from haploscribe.errors import InputError
from haploscribe.workflows.export.weights import GeneVariants

# What readers of the tables split at (blanks), unquote ("') or take for the start of a comment (#).
_UNREADABLE = re.compile(r"[\s\"'#\x00]")


# pandas, with which MetaXcan reads its tables, takes these for missing or for truth values.
_VALUES = frozenset({"na", "n/a", "<na>", "null", "none", "true", "false"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def bare_contig(contig: str) -> str:
    """Return a contig's name without `chr`: `chr22` → `22`."""
    return contig[3:] if contig[:3].lower() == "chr" else contig


def positional_name(contig: str, position: int, ref: str, alt: str, build: str) -> str:
    """Name a variant by position and alleles, as GTEx v8 and PredictDB do: `chr22_16050075_A_G_b38`.

    Parameters
    ----------
    contig
        With or without `chr`; the name has it, and calls the mitochondrion `chrM`.
    position
        0-based; the name holds it 1-based.
    ref, alt
        Alleles.
    build
        The assembly, such as `b38`; see `check_label`.
    """
    bare = bare_contig(contig)
    return f"chr{'M' if bare == 'MT' else bare}_{position + 1}_{ref}_{alt}_{build}"


def positional_names(contig: str, variants: GeneVariants, build: str) -> tuple[str, ...]:
    """Name variants by position and alleles, as `positional_name`.

    Raises
    ------
    InputError
        When two have the same position and alleles: readers would keep one of the two weights.
    """
    alleles = zip(variants.positions.tolist(), variants.refs, variants.alts, strict=True)
    names = tuple(positional_name(contig, position, ref, alt, build) for position, ref, alt in alleles)
    if len(set(names)) < len(names):
        repeated = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(
            f"variant {repeated} comes twice in the genotype file, and readers of weights keep one of the "
            "two; drop repeated records with `bcftools norm --rm-dup exact` and train again"
        )
    return names


def variant_names(identifiers: Sequence[str], positional: Sequence[str], build: str) -> tuple[str, ...]:
    """Choose a distinct name for each variant of a gene, one that tools for summary statistics can match.

    It is the variant's name in the genotype file, usually an rsID, the first where several are joined by `;`.
    It is the positional name where there is none, where it is a number or holds anything but letters, digits
    and `_.:/+-`, where it ends like positional names but is another, and where an earlier variant of the gene
    took it: the ALT alleles of one record share an rsID, and tools keep one weight per name.

    Parameters
    ----------
    identifiers
        As in the genotype file, `.` for none.
    positional
        As many, distinct, of `positional_name`.
    build
        The assembly that these end in.
    """
    names: dict[str, None] = {}
    for identifier, fallback in zip(identifiers, positional, strict=True):
        name = identifier.split(";")[0]
        plain = _PLAIN_NAME.fullmatch(name) and not _read_as_a_value(name)
        usable = plain and not name.endswith(f"_{build}") and name not in names
        names[name if usable else fallback] = None
    return tuple(names)


def count_without_rsid(names: Sequence[str]) -> int:
    """Count the names that are no rsID."""
    return sum(not name.startswith("rs") for name in names)


def check_gene_id(gene_id: str) -> None:
    """Refuse a gene id that the readers of the tables would not find again.

    Raises
    ------
    InputError
        When it is empty, a number, a truth value or a word for missing, or holds a blank, a quote or `#`.
    """
    if not gene_id or _UNREADABLE.search(gene_id) or _read_as_a_value(gene_id):
        raise InputError(
            f"gene id {gene_id!r} cannot be exported: MetaXcan and FUSION would read it as something else; "
            "use ids that are no number and hold no blank, quote or #, such as Ensembl's, and run again"
        )


def check_label(label: str, what: str) -> None:
    """Refuse a word, such as the name of an assembly or a panel, that does not go into names and file names.

    Raises
    ------
    InputError
        When it holds anything but letters, digits and `_.-`, or does not start with a letter or digit.
    """
    if not _LABEL.fullmatch(label):
        raise InputError(f"{what} {label!r} holds more than letters, digits and _.-; choose a plain word")


def _read_as_a_value(text: str) -> bool:
    """Whether pandas reads the text as a number, a truth value or as missing."""
    if text.lower() in _VALUES:
        return True
    if "_" in text:  # which only Python takes between digits
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True

"""Match contig names between files (`22` and `chr22`, `MT` and `chrM`), and parse regions."""

import re
from collections.abc import Iterable

from haploscribe.errors import InputError

_REGION = re.compile(r"(?P<contig>.+):(?P<start>[\d,]+)-(?P<end>[\d,]+)")


def match_contig(name: str, available: Iterable[str], where: str = "") -> str | None:
    """Return the name among `available` (those in `where`) that means the same contig, or None.

    An identical name wins. Otherwise a leading `chr` is ignored, and `M` equals `MT`.

    Raises
    ------
    InputError
        If several names match.
    """
    names = list(available)
    if name in names:
        return name
    candidates = [other for other in names if canonical_contig(other) == canonical_contig(name)]
    if len(candidates) > 1:
        location = f" in {where}" if where else ""
        raise InputError(f"contig {name} could be {' or '.join(candidates)}{location}; rename one of them")
    return candidates[0] if candidates else None


def require_contig(name: str, available: Iterable[str], where: str) -> str:
    """Return the name as `match_contig` does; raise InputError for an unknown contig."""
    names = list(available)
    found = match_contig(name, names, where)
    if found is None:
        some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise InputError(f"contig {name} is not in {where} (it has: {some or 'none'}); use its contig names")
    return found


def parse_region(text: str, option: str = "--region") -> tuple[str, int, int]:
    """Parse a region as samtools writes it.

    Parameters
    ----------
    text
        `contig:start-end`, 1-based, both ends included; commas in numbers are ignored.
    option
        Name of the option, for messages.

    Returns
    -------
    contig, start, end
        0-based half-open.

    Raises
    ------
    InputError
        If it is not such a region.
    """
    match = _REGION.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{option} {text}: write it as contig:start-end, such as chr22:20000001-20005000")
    start, end = (int(match[name].replace(",", "")) for name in ("start", "end"))
    if not 1 <= start <= end:
        raise InputError(f"{option} {text}: start must be at least 1 and not after end")
    return match["contig"], start - 1, end


def canonical_contig(name: str) -> str:
    """Return what all names of a contig have in common: `22` for `chr22`, `MT` for `chrM`."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if bare == "M" else bare

"""Match contig names between files (`22` and `chr22`, `MT` and `chrM`), and parse regions."""

import re
from collections.abc import Iterable

from haploscribe.errors import InputError

_REGION = re.compile(r"(?P<contig>.+):(?P<start>[\d,]+)-(?P<end>[\d,]+)")


def match_contig(name: str, available: Iterable[str], where: str = "") -> str | None:
    """Find the name among `available`, those in `where`, that means the same contig, or None.

    An equal name wins. Otherwise a leading `chr` does not matter, and `M` is `MT`.

    Raises
    ------
    InputError
        When several names would do.
    """
    names = list(available)
    if name in names:
        return name
    candidates = [other for other in names if _bare(other) == _bare(name)]
    if len(candidates) > 1:
        place = f" in {where}" if where else ""
        raise InputError(f"contig {name} could be {' or '.join(candidates)}{place}; rename one of them")
    return candidates[0] if candidates else None


def require_contig(name: str, available: Iterable[str], where: str) -> str:
    """Do as `match_contig`, but an unknown contig is an InputError that names some of those in `where`."""
    names = list(available)
    found = match_contig(name, names, where)
    if found is None:
        some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise InputError(f"contig {name} is not in {where} (it has: {some or 'none'}); use its contig names")
    return found


def parse_region(text: str, option: str = "--region") -> tuple[str, int, int]:
    """Read a region as samtools writes it.

    Parameters
    ----------
    text
        `contig:start-end`, 1-based, both ends included; commas in numbers do not matter.
    option
        The option it was given by, for messages.

    Returns
    -------
    contig, start, end
        0-based half-open.

    Raises
    ------
    InputError
        When it is not such a region.
    """
    match = _REGION.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{option} {text}: write it as contig:start-end, such as chr22:20000001-20005000")
    start, end = (int(match[name].replace(",", "")) for name in ("start", "end"))
    if not 1 <= start <= end:
        raise InputError(f"{option} {text}: start and end count from 1, and start is not behind end")
    return match["contig"], start - 1, end


def _bare(name: str) -> str:
    bare = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if bare == "M" else bare

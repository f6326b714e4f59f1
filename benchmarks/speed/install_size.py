"""Measure the installed size of a package and its requirements. Runs alone, wherever `packaging` is.

    python benchmarks/speed/install_size.py PACKAGE [WITHOUT ...]

Prints JSON: the number of packages, PACKAGE included, and the MiB of their files. The packages named after it
are left out, with what only they require.
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def required(package: str, without: set[str]) -> set[str]:
    """Return a package and its installed requirements, without extras."""
    found: set[str] = set()
    waiting = [(package, "")]
    while waiting:
        name, extra = waiting.pop()
        key = canonicalize_name(name)
        if key in without or (key in found and not extra):
            continue
        try:
            lines = distribution(key).requires or []
        except PackageNotFoundError:
            continue
        found.add(key)
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, each) for each in ("", *requirement.extras)]
    return found


def n_bytes(package: str) -> int:
    """Return the bytes of a package's installed files."""
    paths = (file.locate() for file in distribution(package).files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())  # type: ignore[attr-defined]


def main() -> None:
    """Print the sum."""
    package, *without = sys.argv[1:]
    names = required(package, {canonicalize_name(name) for name in without})
    mebibytes = sum(map(n_bytes, names)) / (1 << 20)
    print(json.dumps({"packages": len(names), "mebibytes": round(mebibytes, 1)}))


if __name__ == "__main__":
    main()

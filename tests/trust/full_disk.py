"""A small disk that can be filled to the last few bytes."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_FILLER = "filler"


@dataclass(frozen=True)
class SmallDisk:
    """A disk in memory.

    Attributes
    ----------
    folder
        Where it is mounted.
    """

    folder: Path

    def leave(self, n_bytes: int) -> None:
        """Fill the disk but for so many bytes."""
        self.clear()
        found = os.statvfs(self.folder)
        (self.folder / _FILLER).write_bytes(bytes(max(0, found.f_bavail * found.f_frsize - n_bytes)))

    def clear(self) -> None:
        """Make room again."""
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a small disk for the block; the test is skipped where only the administrator may."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted here: it takes the rights of the administrator")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

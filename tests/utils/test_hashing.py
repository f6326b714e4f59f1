"""Digests, against b2sum."""

import subprocess
from pathlib import Path

import pytest

from haploscribe.errors import InputError
from haploscribe.utils.hashing import file_digest
from tests.fixtures.peers import require_program


@pytest.mark.parametrize("content", [b"", b"ACGT\n" * 200_000])
def test_the_digest_equals_b2sums(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reference.fa"
    path.write_bytes(content)
    printed = subprocess.run(
        [require_program("b2sum"), "-l", "256", path], capture_output=True, text=True, check=True
    ).stdout
    assert file_digest(path) == f"blake2b-256:{printed.split()[0]}"


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        file_digest(tmp_path / "absent")

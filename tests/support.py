"""Helpers that more than one test room needs."""

import shutil

import pytest


def require_program(name: str) -> str:
    """The path of an outside program a test compares with; the test is skipped where it is absent."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed; CI installs it (see .ci/run)")
    return path

"""One run of every verb, in a process that may not use the network and whose umask hides nothing."""

import pytest

from tests.fixtures.every_verb import Done, do_every_verb


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Every verb, as it is by itself."""
    return do_every_verb(tmp_path_factory.mktemp("every-verb") / "run", umask=0)

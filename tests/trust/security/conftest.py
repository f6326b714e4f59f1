"""One run of every verb, in a process that may not use the network and whose umask hides nothing."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

NO_NETWORK = '''
"""Is imported by every Python process at its start: no network, and asking for it is noted."""

import os
import socket


def _refuse(*arguments, **_):
    with open(os.environ["NETWORK_ASKED_FOR"], "a") as file:
        print(*map(repr, arguments), file=file)
    raise OSError("no network in this test")


class Socket(socket.socket):
    pass


def _guarded(name):
    plain = getattr(socket.socket, name)

    def guarded(self, *arguments):
        return plain(self, *arguments) if self.family == socket.AF_UNIX else _refuse(name, *arguments)

    return guarded


for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(Socket, name, _guarded(name))
socket.socket = Socket
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, lambda *arguments, name=name, **_: _refuse(name, *arguments))
'''


@dataclass(frozen=True)
class Done:
    """What a run of every verb left.

    Attributes
    ----------
    folder
        As `tests.fixtures.every_verb` leaves it.
    ended
        Its exit code, and what it printed itself: nothing but what failed.
    temporary
        The folder of temporary files that it was given.
    """

    folder: Path
    ended: subprocess.CompletedProcess[str]
    temporary: Path

    @property
    def asked_for_the_network(self) -> str:
        """What in Python asked for the network."""
        asked = self.folder / "asked.txt"
        return asked.read_text() if asked.exists() else ""

    def made(self) -> list[Path]:
        """List every file and folder that the verbs made, but for the folder of all."""
        return [path for path in (self.folder / "out").rglob("*") if path != self.folder / "out"]

    def printed(self) -> dict[str, str]:
        """Give what each verb printed."""
        return {path.stem: path.read_text() for path in sorted((self.folder / "printed").iterdir())}


def do_every_verb(folder: Path, *arguments: str, umask: int) -> Done:
    """Run every verb in one process; where the machine allows it, one that has no network at all."""
    folder.mkdir(parents=True)
    hooks, temporary = folder / "hooks", folder / "tmp"
    hooks.mkdir()
    temporary.mkdir()
    (hooks / "sitecustomize.py").write_text(NO_NETWORK)
    command = [sys.executable, "-m", "tests.fixtures.every_verb", str(folder), *arguments]
    unshare = shutil.which("unshare")
    if unshare and subprocess.run([unshare, "-n", "true"], capture_output=True, check=False).returncode == 0:
        command = [unshare, "-n", *command]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(hooks), *filter(None, [os.environ.get("PYTHONPATH")]), "."]),
        "NETWORK_ASKED_FOR": str(folder / "asked.txt"),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
    }
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
        env=environment,
        umask=umask,
        timeout=300,
    )
    return Done(folder, ended, temporary)


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Every verb, as it is by itself."""
    return do_every_verb(tmp_path_factory.mktemp("every-verb") / "run", umask=0)

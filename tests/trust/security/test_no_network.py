"""No verb asks for the network, unless a backbone or weights of the hub are named."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.every_verb import Done, commands, run_verb, write_cohort


def test_no_verb_asks_for_the_network(done: Done) -> None:
    assert (done.ended.returncode, done.asked_for_the_network) == (0, "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Block the network in this process, and note which hosts are asked for; the hub's cache is empty."""
    hosts: list[str] = []

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        hosts.append(str(host))
        raise socket.gaierror(-3, "no network in this test")

    import huggingface_hub.constants

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: refuse(address))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return hosts


def test_the_notes_are_taken(asked: list[str]) -> None:
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("example.org", 443), timeout=1)
    assert asked == ["example.org"]


def test_a_backbone_of_the_hub_is_refused_in_one_line_without_network(
    asked: list[str], tmp_path: Path
) -> None:
    embed = commands(write_cohort(tmp_path / "cohort"), tmp_path, 1, None)["embed"]
    code, printed = run_verb([*embed, "--backbone=nt-v2-50m"])
    assert code == 2
    assert printed.startswith("haploscribe: cannot download InstaDeepAI/nucleotide-transformer-v2-50m")
    assert printed.count("\n") == 1
    assert "copy FOLDER here" in printed
    assert asked
    assert not (tmp_path / "store.zarr").exists()


def test_a_folder_that_is_not_there_is_never_looked_up_on_the_hub(asked: list[str], tmp_path: Path) -> None:
    embed = commands(write_cohort(tmp_path / "cohort"), tmp_path, 1, None)["embed"]
    code, _ = run_verb([*embed, "--backbone=somebody/some-model"])
    assert (code, asked) == (2, [])


def test_the_hubs_library_is_told_to_send_no_telemetry() -> None:
    script = (
        "import contextlib, os\n"
        "os.environ['HF_HUB_OFFLINE'] = '1'\n"
        "os.environ['HF_HOME'] = os.devnull\n"
        "from haploscribe.embedding.backbones.hub import download\n"
        "with contextlib.suppress(Exception):\n"
        "    download('somebody/some-model', 'main', '')\n"
        "from huggingface_hub import constants\n"
        "print(constants.HF_HUB_DISABLE_TELEMETRY)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


@pytest.mark.slow
def test_local_dask_clusters_side_by_side_listen_on_this_machine_alone() -> None:
    import psutil

    from haploscribe.parallel.dask import dask_executor

    with dask_executor("local:1"), dask_executor("local:1"):
        here = psutil.Process()
        listening = {
            connection.laddr.ip
            for process in (here, *here.children(recursive=True))
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert listening == {"127.0.0.1"}

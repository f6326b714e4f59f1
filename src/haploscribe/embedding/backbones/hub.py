"""Download published weights from the Hugging Face hub."""

import os
from pathlib import Path

from haploscribe.embedding.backbones.checkpoint import CONFIGURATION_FILE, INDEX_FILE, VOCABULARY_FILE
from haploscribe.errors import InputError

_DOWNLOADED = (CONFIGURATION_FILE, VOCABULARY_FILE, "vocab.json", "*.safetensors", INDEX_FILE)
HUB_TIMEOUT = 10.0
"""Seconds to wait for the hub before using the cache."""


def download(hub_id: str, revision: str) -> tuple[Path, str]:
    """Download a checkpoint's files from the Hugging Face hub, or find them in its cache; never code.

    `revision` is resolved on the hub once; the cache is used as is only when the hub does not answer.

    Returns
    -------
    tuple
        The folder, and the commit hash of `revision`.

    Raises
    ------
    InputError
        When the hub cannot be reached and the cache has no copy, or has no such revision.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - slow to import; only needed for the hub

    try:
        commit = HfApi().model_info(hub_id, revision=revision, timeout=HUB_TIMEOUT).sha
        folder = snapshot_download(hub_id, revision=commit, allow_patterns=list(_DOWNLOADED))
    except Exception as error:  # connection errors differ between versions of huggingface_hub
        cached = _cached(hub_id, revision)
        if cached is None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"cannot download {hub_id} ({reason}) and no copy is cached; on a machine with access run "
                f"'hf download {hub_id} --revision {revision} --local-dir FOLDER', copy FOLDER here and give "
                "its path instead"
            ) from None
        folder = cached
    return Path(folder), Path(folder).name


def _cached(hub_id: str, revision: str) -> str | None:
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return snapshot_download(hub_id, revision=revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None

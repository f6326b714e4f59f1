"""Download published weights from the Hugging Face hub: safetensors and tokeniser files, never code."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from haploscribe.embedding.backbones.checkpoint import (
    CONFIGURATION_FILE,
    INDEX_FILE,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
    pickled_weights,
)
from haploscribe.errors import InputError

HUB_TIMEOUT = 10.0
"""Seconds to wait for the hub before using the cache."""

_DOWNLOADED = (CONFIGURATION_FILE, "*.safetensors", INDEX_FILE, *TOKENIZER_FILES)
_SUBFOLDERS = "*/*"  # `*` matches slashes too; subfolders hold other formats and other models


def download(hub_id: str, revision: str, remedy: str) -> tuple[Path, str]:
    """Download a checkpoint's files from the Hugging Face hub, or find them in its cache; never code.

    The hub is asked for `revision` each time; the cache is used as is only when the hub does not answer.
    Nothing is downloaded from a revision without safetensors.

    Parameters
    ----------
    hub_id
        Repository, `OWNER/NAME`.
    revision
        A commit, branch or tag, or `refs/pr/N`, a pull request.
    remedy
        What to give instead where there is no such revision or it has no safetensors, for the message.

    Returns
    -------
    tuple
        The folder, and the commit hash of `revision`.

    Raises
    ------
    InputError
        When the hub refuses, knows no such repository or revision, or cannot be reached and the cache has no
        complete copy; when the revision has no safetensors.
    """
    folder = _downloaded(hub_id, revision, remedy, _DOWNLOADED, CONFIGURATION_FILE)
    return folder, folder.name


def download_file(hub_id: str, revision: str, name: str, remedy: str) -> Path:
    """Download one safetensors file from the Hugging Face hub, or find it in its cache.

    Parameters
    ----------
    hub_id, revision, remedy
        As for `download`.
    name
        Of the file.

    Raises
    ------
    InputError
        As `download`.
    """
    return _downloaded(hub_id, revision, remedy, (name,), name) / name


def _downloaded(hub_id: str, revision: str, remedy: str, patterns: Sequence[str], first: str) -> Path:
    """Download the files of some patterns, after the one that tells whether files may be read; the folder."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    # Slow to import; only needed for the hub.
    from huggingface_hub import HfApi, hf_hub_download  # noqa: PLC0415

    try:
        found = HfApi().model_info(hub_id, revision=revision, timeout=HUB_TIMEOUT)
        listed = [file.rfilename for file in found.siblings or ()]
        where = f"{hub_id} at revision {revision}"
        if first == CONFIGURATION_FILE:
            _check_listing(listed, where, remedy)
        elif first not in listed:
            raise InputError(f"{where} has no {first}; {remedy}")
        # Listings are public and files may not be: one file says so before progress is shown for all.
        hf_hub_download(hub_id, first, revision=found.sha)
        folder = _snapshot(hub_id, revision, patterns)
    except InputError:
        raise
    except Exception as error:  # connection errors differ between versions of huggingface_hub
        refusal = _refusal(error, hub_id, revision, remedy)
        if refusal is not None:
            raise InputError(refusal) from None
        cached = _cached(hub_id, revision, patterns)
        if cached is None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"cannot download {hub_id} ({reason}) and no complete copy is cached; where there is access "
                f"run 'hf download {hub_id} --revision {revision} --local-dir FOLDER', copy FOLDER here and "
                "give its path instead"
            ) from None
        folder = cached
    return Path(folder)


def _check_listing(listed: Collection[str], where: str, remedy: str) -> None:
    """Raise InputError where a listing of files has no configuration or no safetensors."""
    files = {name for name in listed if "/" not in name}
    if CONFIGURATION_FILE not in files:
        raise InputError(f"{where} has no {CONFIGURATION_FILE}; {remedy}")
    if not files & {WEIGHTS_FILE, INDEX_FILE}:
        pickles = pickled_weights(files)
        if pickles:
            raise InputError(
                f"{where} has only pickled weights ({pickles[0]}), which can run code when read and are not "
                f"downloaded; {remedy}"
            )
        raise InputError(f"{where} has no {WEIGHTS_FILE}; {remedy}")


def _refusal(error: BaseException, hub_id: str, revision: str, remedy: str) -> str | None:
    """Describe why the hub refused, and what to do; None where it did not answer, or failed itself."""
    from huggingface_hub import HfApi  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HfHubHTTPError):
        cause = cause.__cause__
    if cause is None:
        return None
    status = cause.response.status_code
    page = f"{HfApi().endpoint}/{hub_id}"
    if isinstance(cause, GatedRepoError):
        if status == 401:
            how = f"accept its licence on {page}, then run 'hf auth login' here"
        else:
            how = f"accept its licence on {page} with the account of your token, or run 'hf auth login' again"
        return f"{hub_id} is gated (HTTP {status}); {how}"
    if isinstance(cause, RepositoryNotFoundError):
        return (
            f"the hub shows no repository {hub_id} (HTTP {status}); check the name or, if it is private, run "
            "'hf auth login'"
        )
    if isinstance(cause, RevisionNotFoundError):
        return f"{hub_id} has no revision {revision}; {remedy}"
    if status in (401, 403):
        return (
            f"the hub refuses your token for {hub_id} (HTTP {status}); run 'hf auth login' with one that may "
            "read it, or 'hf auth logout' if it is public"
        )
    return None


def _snapshot(hub_id: str, revision: str, patterns: Sequence[str], *, local_files_only: bool = False) -> str:
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    return snapshot_download(
        hub_id,
        revision=revision,
        allow_patterns=list(patterns),
        ignore_patterns=_SUBFOLDERS,
        local_files_only=local_files_only,
    )


def _cached(hub_id: str, revision: str, patterns: Sequence[str]) -> str | None:
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return _snapshot(hub_id, revision, patterns, local_files_only=True)
    except LocalEntryNotFoundError:
        return None

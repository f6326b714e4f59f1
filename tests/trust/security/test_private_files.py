"""What is written is readable by the owner alone, unless asked."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from haploscribe.errors import InputError
from haploscribe.parallel.dask import dask_executor
from haploscribe.parallel.executor import Executor
from haploscribe.utils.files import atomic_write, current_umask, make_folder, umask_for
from tests.fixtures.every_verb import Done, commands, do_every_verb, run_verb, write_cohort
from tests.fixtures.workers import dask_processes


@pytest.fixture(autouse=True)
def same_umask_after() -> Iterator[None]:
    """Each test leaves the umask as it was: what it does in this process must too."""
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes(paths: list[Path]) -> tuple[set[int], set[int]]:
    """Modes of the folders, and of the files, among paths."""
    return {mode(path) for path in paths if path.is_dir()}, {mode(path) for path in paths if path.is_file()}


def test_every_verb_ends_well(done: Done) -> None:
    assert (done.ended.returncode, done.ended.stderr) == (0, "")


def test_every_verb_writes_for_the_owner_alone(done: Done) -> None:
    assert modes(done.made()) == ({0o700}, {0o600})


def test_every_verb_that_writes_has_written(done: Done) -> None:
    assert {path.name for path in (done.folder / "out").iterdir()} == {
        *("results", "store.zarr", "new", "explained", "predictdb", "merged", "covariance", "fusion"),
        *("fasta", "simulated", "backbone", "figures", "part", "combined", "tissues", "alleles"),
    }


def test_nothing_is_left_among_temporary_files(done: Done) -> None:
    """Torch leaves an empty folder for compiled code."""
    left = list(done.temporary.rglob("*"))
    assert [path for path in left if not path.name.startswith("torchinductor")] == []
    assert modes(left)[0] <= {0o700}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("readers", "umask", "folders", "readable"),
    [("owner", 0o022, 0o700, 0o400), ("group", 0o022, 0o750, 0o440), ("all", 0o022, 0o755, 0o444)],
)
def test_readers_are_who_was_asked_for(
    tmp_path: Path, readers: str, umask: int, folders: int, readable: int
) -> None:
    done = do_every_verb(tmp_path / "run", "--jobs=2", f"--readable-by={readers}", umask=umask)
    assert done.ended.returncode == 0, done.ended.stderr
    folder_modes, file_modes = modes(done.made())
    assert folder_modes == {folders}
    assert {found & 0o444 for found in file_modes} == {readable}


@pytest.mark.parametrize(
    ("readers", "umask", "expected"),
    [
        ("owner", 0o000, 0o600),
        ("owner", 0o022, 0o600),
        ("group", 0o000, 0o660),
        ("group", 0o027, 0o640),
        ("group", 0o077, 0o600),
        ("all", 0o022, 0o644),
        ("all", 0o077, 0o600),
    ],
)
def test_the_umask_is_honoured(tmp_path: Path, readers: str, umask: int, expected: int) -> None:
    os.umask(umask)
    try:
        with umask_for(readers), atomic_write(tmp_path / "folder" / "file") as aside:
            aside.touch()
    finally:
        os.umask(0o022)
    assert mode(tmp_path / "folder" / "file") == expected
    assert mode(tmp_path / "folder") & 0o666 == expected


def test_a_file_is_private_before_anything_is_in_it(tmp_path: Path) -> None:
    with umask_for("owner"), atomic_write(tmp_path / "file") as aside, aside.open("w"):
        assert mode(aside) == 0o600


def test_a_folder_of_the_users_keeps_its_mode(tmp_path: Path) -> None:
    theirs = tmp_path / "shared"
    theirs.mkdir()
    theirs.chmod(0o2775)
    with umask_for("owner"), atomic_write(theirs / "file") as aside:
        aside.touch()
    assert mode(theirs) == 0o2775


def test_whoever_else_is_named_is_refused() -> None:
    with pytest.raises(InputError, match="give one of owner, group, all"), umask_for("everyone"):
        pass


def test_a_failure_gives_the_umask_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), umask_for("owner"), atomic_write(tmp_path / "file"):
        raise RuntimeError
    assert current_umask() == 0o022


class FolderSpec:
    """A context without anything open."""

    def open(self) -> "FolderSpec":
        return self

    def close(self) -> None:
        """Nothing is open."""


def made_folder(_: FolderSpec, path: Path) -> int:
    make_folder(path)
    return mode(path)


@pytest.mark.slow
def test_local_workers_write_as_privately_as_their_parent(tmp_path: Path) -> None:
    """Also workers that joblib keeps from an earlier call with other readers."""
    for call, (readers, expected) in enumerate((("owner", 0o700), ("group", 0o750), ("owner", 0o700))):
        folders = [tmp_path / f"{call}-{number}" for number in range(4)]
        with umask_for(readers):
            assert set(Executor(2).map(FolderSpec(), made_folder, folders)) == {expected}


def test_workers_of_a_running_cluster_write_as_privately_as_the_client(tmp_path: Path) -> None:
    with dask_processes(tmp_path, 1) as dask, dask_executor(dask.address) as executor, umask_for("group"):
        assert list(executor.map(FolderSpec(), made_folder, [tmp_path / "new"])) == [0o750]


def test_the_config_file_can_say_it(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    config = tmp_path / "config.toml"
    config.write_text('readable-by = "group"\n')
    haplotypes = commands(cohort, tmp_path, 1, None)["haplotypes"]
    assert run_verb([*haplotypes, f"--config={config}"]) == (0, "")
    assert mode(tmp_path / "fasta" / "two.fa") == 0o640


def test_from_a_notebook_files_are_private_too(tmp_path: Path) -> None:
    import haploscribe

    options = write_cohort(tmp_path / "cohort")
    with haploscribe.open_cohort(
        options.variants, options.reference, options.expression, genes="ENSG3", window=2_000
    ) as cohort:
        haploscribe.run(cohort, tmp_path / "mine", models=["blup"], folds=2)
        haploscribe.run(cohort, tmp_path / "ours", models=["blup"], folds=2, readable_by="group")
    assert modes(list((tmp_path / "mine").rglob("*"))) == ({0o700}, {0o600})
    assert modes(list((tmp_path / "ours").rglob("*"))) == ({0o750}, {0o640})

"""Outputs appear whole or not at all."""

import shutil
from pathlib import Path

import pytest

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write, publish, remove_atomically, remove_on_error, write_if_absent


def test_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "deep" / "a.txt") as aside:
        aside.write_text("new")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_failure_leaves_the_old_output_alone(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a"
    if kind == "file":
        target.write_text("old")
    else:
        target.mkdir()
        (target / "b").write_text("old")

    def fail() -> None:
        with atomic_write(target) as aside:
            aside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (target if kind == "file" else target / "b").read_text() == "old"


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    with atomic_write(tmp_path / "a") as aside:
        aside.mkdir()
        (aside / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


def test_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"), atomic_write(tmp_path / "file" / "a"):
        pass


@pytest.mark.parametrize("was_there", [True, False])
def test_folder_made_for_a_failed_block_is_taken_away(tmp_path: Path, was_there: bool) -> None:
    folder = tmp_path / "out"
    if was_there:
        folder.mkdir()
    with pytest.raises(RuntimeError), remove_on_error(folder):
        raise RuntimeError
    assert folder.exists() == was_there


def test_written_once_keeps_what_was_there_first(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with write_if_absent(tmp_path / "folder") as aside:
            aside.mkdir()
            (aside / "file").write_text(content)
    assert (tmp_path / "folder" / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_written_once_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with write_if_absent(tmp_path / "folder") as aside:
            aside.mkdir()
            (aside / "file").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_never_there_in_part_while_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "piece").write_text("")
    there: list[bool] = []
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: there.append(folder.exists()))
    remove_atomically(folder)
    assert there == [False]
    remove_atomically(folder)


def test_files_that_belong_together_are_never_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one is missing while others are moved; old ones of no new name stay."""
    made, folder = tmp_path / "made", tmp_path / "out"
    for place, content in ((made, "new"), (folder, "old")):
        place.mkdir()
        for name in ("a", "last", "z"):
            (place / name).write_text(content)
    (folder / "mine").write_text("old")
    move, seen = Path.replace, []

    def looking(self: Path, target: Path) -> Path:
        seen.append((self.name, (folder / "last").exists()))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", looking)
    publish(made, folder, last="last")
    assert seen == [("a", False), ("z", False), ("last", False)]
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"a": "new", "last": "new", "z": "new", "mine": "old"}

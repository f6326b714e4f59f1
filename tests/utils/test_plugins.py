"""Classes from outside the package are found by name, and never in a results folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haploscribe.errors import InputError
from haploscribe.utils.plugins import find_plugin, load_plugin, plugin_name, registered_names

GROUP = "haploscribe.tested"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with two modules."""
    (tmp_path / "made_here.py").write_text("class Ridge:\n    class Inner: pass\nnumber = 3\n")
    (tmp_path / "broken_here.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "json.py").write_text("raise RuntimeError\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("made_here", "broken_here", "registered_here"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("folder")
def test_a_name_is_found_in_the_current_folder() -> None:
    found = load_plugin("made_here:Ridge", GROUP, "estimator")
    assert isinstance(found, type)
    assert (found.__module__, found.__name__) == ("made_here", "Ridge")
    assert load_plugin("made_here:Ridge.Inner", GROUP, "estimator") is found.Inner  # type: ignore[attr-defined]
    assert load_plugin("made_here:number", GROUP, "estimator") == 3


def test_a_worker_elsewhere_looks_in_the_recorded_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(InputError, match="no module 'made_here'"):
        load_plugin("made_here:Ridge", GROUP, "estimator")
    assert isinstance(load_plugin("made_here:Ridge", GROUP, "estimator", str(folder)), type)


@pytest.mark.usefixtures("folder")
def test_a_file_of_the_current_folder_replaces_no_installed_module() -> None:
    assert load_plugin("json:loads", GROUP, "estimator") is sys.modules["json"].loads


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("made_here:Lasso", "estimator made_here:Lasso: module 'made_here' has no 'Lasso'"),
        ("gone_here:Lasso", "no module 'gone_here' in .* or among the installed packages"),
        ("made_here.part:Lasso", "module 'made_here.part' cannot be imported"),
        ("broken_here:Lasso", "cannot be imported .ModuleNotFoundError: No module named 'there_is_no_such"),
        ("lasso", "no estimator is called 'lasso'; give module:Name"),
        ("a/b:C", "no estimator is called 'a/b:C'"),
    ],
)
def test_what_is_missing_is_named_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_plugin(text, GROUP, "estimator")


@pytest.mark.parametrize("place", ["run.json", "../run.json", "models.json"])
def test_code_in_a_results_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / place).write_text("{}")
    (results / "hostile_here.py").write_text("raise SystemExit(5)\n")
    monkeypatch.chdir(results)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InputError, match="from which no code is run"):
        load_plugin("hostile_here:Any", GROUP, "estimator")


def test_names_that_installed_packages_register_are_found(folder: Path) -> None:
    (folder / "registered_here.py").write_text("class Ridge: pass\n")
    installed = folder / "registered_here-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: registered-here\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\nmy-ridge = registered_here:Ridge\n")
    sys.path.append(str(folder))
    assert registered_names(GROUP) == ("my-ridge",)
    assert str(find_plugin("my-ridge", GROUP)) == "registered_here:Ridge"
    found = load_plugin("my-ridge", GROUP, "estimator")
    assert isinstance(found, type)
    assert found.__module__ == "registered_here"


def test_what_a_module_holds_has_the_name_that_finds_it(folder: Path) -> None:
    (folder / "made_here.py").write_text("class Ridge:\n    class Inner: pass\none = Ridge()\n")
    ridge, inner, one = (
        load_plugin(f"made_here:{name}", GROUP, "estimator") for name in ("Ridge", "Ridge.Inner", "one")
    )
    found = [plugin_name(each) for each in (ridge, inner, one)]
    assert found == ["made_here:Ridge", "made_here:Ridge.Inner", "made_here:one"]


@pytest.mark.parametrize("module", ["__main__", "there_is_no_such_module", __name__])
def test_what_no_module_holds_has_no_name(module: str) -> None:
    kind = type("Local", (), {"__module__": module})
    assert plugin_name(kind) is None
    assert plugin_name(kind()) is None

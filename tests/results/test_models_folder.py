"""Every estimator comes back from its file as it was, and files that are not right are refused in words."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.estimators.base import State, parameters_of
from haploscribe.estimators.inputs import Dosages1Mb, GeneInputs
from haploscribe.estimators.registry import ESTIMATOR_NAMES, model_specs
from haploscribe.expression.genes import Gene
from haploscribe.results.models_folder import (
    FORMAT_VERSION,
    RECORD,
    ModelsRecord,
    SavedModel,
    gene_file,
    read_record,
    write_record,
)
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.state_files import read_state, write_state
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES
from tests.fixtures.gene_inputs import inputs_with_tiles


def inputs_of_all_kinds() -> GeneInputs:
    inputs = inputs_with_tiles(1)
    predicted = np.random.default_rng(3).normal(size=150)
    return replace(
        inputs,
        wide=Dosages1Mb(inputs.positions, inputs.dosages),
        zero_shot=dict.fromkeys(ZERO_SHOT_NAMES, predicted),
    )


def through_a_file(make: Callable[[], Any], fitted: Any, path: Path) -> Any:
    write_state(path, fitted.state())
    return make().restore(read_state(path))


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
@pytest.mark.parametrize("learns", [True, False], ids=["learns", "nothing to learn"])
def test_what_is_read_back_predicts_the_same_bits(name: str, learns: bool, tmp_path: Path) -> None:
    inputs = inputs_of_all_kinds()
    train, new = inputs.take(np.arange(100)), inputs.take(np.arange(100, 150))
    expression = np.full(100, 2.5)
    if learns:
        expression = train.dosages[:, 5] + np.random.default_rng(2).normal(size=100)
    spec = model_specs([name], 0)[name]
    make: Callable[[], Any] = spec.make
    across_genes = spec.capabilities.across_genes
    fitted = make().fit([train], [expression]) if across_genes else make().fit(train, expression)
    restored = through_a_file(make, fitted, tmp_path / "state.safetensors")
    np.testing.assert_array_equal(restored.predict(new), fitted.predict(new), strict=True)
    assert_equal(restored.state(), fitted.state())
    if (errors := fitted.standard_errors(new)) is not None:
        np.testing.assert_array_equal(restored.standard_errors(new), errors, strict=True)


names = st.text(max_size=8)
arrays = st.builds(
    lambda shape, kind, seed: np.asarray(np.random.default_rng(seed).normal(size=shape)).astype(kind),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.sampled_from([np.float64, np.float32, np.int64]),
    st.integers(0, 3),
)
states = st.recursive(
    st.builds(
        State,
        st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False)),
        st.dictionaries(names, arrays),
    ),
    lambda parts: st.builds(
        State, st.just({}), st.dictionaries(names, arrays), st.dictionaries(names, parts)
    ),
    max_leaves=4,
)


def assert_equal(found: State, expected: State) -> None:
    assert dict(found.numbers) == dict(expected.numbers)
    assert list(found.arrays) == list(expected.arrays)
    for name in expected.arrays:
        np.testing.assert_array_equal(found.arrays[name], expected.arrays[name], strict=True)
    assert list(found.parts) == list(expected.parts)
    for name, part in expected.parts.items():
        assert_equal(found.parts[name], part)


@settings(deadline=None)
@given(state=states)
def test_any_state_is_read_back_whole(state: State, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("states") / "state.safetensors"
    write_state(path, state)
    assert_equal(read_state(path), state)


def test_the_same_state_gives_the_same_bytes_and_equal_arrays_are_written_once(tmp_path: Path) -> None:
    large = np.arange(10_000.0)
    state = State({}, {"b": large, "a": large.copy()}, {"p": State({"x": 1.0}, {"c": large.copy()})})
    for name in ("one", "two"):
        write_state(tmp_path / name, state)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").stat().st_size < 1.5 * large.nbytes


@pytest.mark.parametrize("kept", [0, 7, 100, -1], ids=["empty", "no header", "cut", "lacks a byte"])
def test_a_file_that_is_cut_short_is_refused(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_state(path, State({}, {"a": np.arange(100.0)}))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is damaged or not a saved model"):
        read_state(path)


@settings(deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_a_state(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("states") / "state.safetensors"
    state = State({"x": 2.0}, {"a": np.arange(20.0)}, {"p": State({"y": 1.0}, {"b": np.arange(5)})})
    write_state(path, state)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = read_state(path)
    except InputError:
        return
    assert_equal(found, state)  # a blank between two entries of the header


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing; copy the whole folder"):
        read_state(tmp_path / "state.safetensors")


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
def test_a_changed_default_does_not_change_a_saved_model(name: str, tmp_path: Path) -> None:
    spec = model_specs([name], 3)[name]
    write_record(tmp_path, replace(RECORD_OF_ONE, models=(SavedModel.of(spec),)))
    kind = type(spec.capabilities)
    changed = {
        key: not value
        if isinstance(value, bool)
        else 2 * value + 1
        if isinstance(value, int | float)
        else value
        for key, value in spec.parameters.items()
    }
    init = kind.__init__
    with pytest.MonkeyPatch.context() as patch:
        if init is not object.__init__:
            patch.setattr(init, "__kwdefaults__", {**(init.__kwdefaults__ or {}), **_named(init, changed)})
            patch.setattr(init, "__defaults__", _placed(init, changed))
        (saved,) = SavedModels(tmp_path).specs.values()
        assert parameters_of(saved.make()) == dict(spec.parameters)


def _placed(init: Any, changed: dict[str, Any]) -> tuple[Any, ...] | None:
    """Defaults of parameters that may be given by place."""
    names = init.__code__.co_varnames[: init.__code__.co_argcount][1:]
    return None if init.__defaults__ is None else tuple(changed[name] for name in names)


def _named(init: Any, changed: dict[str, Any]) -> dict[str, Any]:
    return {name: changed[name] for name in init.__kwdefaults__ or {}}


def test_a_saved_model_predicts_with_its_own_parameters(tmp_path: Path) -> None:
    """A network of another width than today's default comes back whole."""
    inputs = inputs_of_all_kinds()
    expression = np.random.default_rng(2).normal(size=150)
    (spec,) = model_specs(["transformer(width=8;max_epochs=1)"], 3).values()
    fitted: Any = spec.make()
    fitted.fit(inputs, expression)
    write_record(tmp_path, replace(RECORD_OF_ONE, models=(SavedModel.of(spec),)))
    write_state(gene_file(tmp_path, 0), State(parts={"models": State(parts={spec.name: fitted.state()})}))
    (restored,) = SavedModels(tmp_path).of_gene(0).values()
    np.testing.assert_array_equal(restored.predict(inputs), fitted.predict(inputs))


RECORD_OF_ONE = ModelsRecord(
    models=(SavedModel("blup", "blup", {"by_distance": False}),),
    genes=(Gene("G/1", "chr22", 5, "-"),),
    window=196_608,
    tile=5_994,
    wide=False,
    normalize="none",
    n_samples=7,
    backbone=None,
    backbone_key=None,
)


def test_a_record_is_read_back_whole(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD_OF_ONE)
    assert read_record(tmp_path) == RECORD_OF_ONE


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "upgrade it"),
        ({"format_version": 0}, "run again"),
        ({"format": "other"}, "no record of models"),
        ({"genes": [{"name": "G"}]}, "damaged"),
    ],
)
def test_a_record_of_another_kind_is_refused_with_its_cure(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_record(tmp_path, RECORD_OF_ONE)
    content = cast("dict[str, Any]", json.loads((tmp_path / RECORD).read_text()))
    (tmp_path / RECORD).write_text(json.dumps({**content, **changed}))
    with pytest.raises(InputError, match=message):
        read_record(tmp_path)


def test_a_digit_of_a_record_that_has_changed_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD_OF_ONE)
    text = (tmp_path / RECORD).read_text()
    (tmp_path / RECORD).write_text(text.replace("196608", "196609"))
    with pytest.raises(InputError, match=r"another checksum than was written.*copy it again, or run again"):
        read_record(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_record_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match="give the `models` folder"):
        read_record(tmp_path)

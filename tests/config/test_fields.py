"""Options are parsed and checked once, whoever gives them."""

import pickle
from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from haploscribe.config.fields import OptionError, Options, from_values, option_fields, parse_length
from haploscribe.config.finished_runs import ExplanationOptions, ExportOptions, PredictionOptions
from haploscribe.config.options import (
    NORMALISATIONS,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
)
from haploscribe.config.pretraining import PretrainingOptions
from haploscribe.config.simulation import SimulationOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError

CLASSES: tuple[type[Options], ...] = (
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    ExplanationOptions,
    ExportOptions,
    PredictionOptions,
    PretrainingOptions,
    SimulationOptions,
    WorkerOptions,
    ZeroShotOptions,
)
FILES: dict[str, Any] = {"variants": "v.vcf", "reference": "r.fa", "expression": "e.bed"}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("98304", 98_304),
        (98_304, 98_304),
        ("500kb", 500_000),
        ("1Mb", 1_000_000),
        ("0.5 MB", 500_000),
        ("1.5kb", 1_500),
        ("-1", -1),
    ],
)
def test_lengths(text: str | int, length: int) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize(
    "text", ["", "wide", "196,608", "1e5", "1.5", "0.0001kb", "kb", "5Gb", 1.5, None, "nan"]
)
def test_other_texts_are_no_lengths(text: object) -> None:
    with pytest.raises(ValueError, match="such as 196608, 500kb or 1Mb"):
        parse_length(text)


def test_values_become_what_the_fields_are() -> None:
    options = from_values(CohortOptions, {**FILES, "window": "500kb", "genes": ["G1", "G2"], "maf": "0.05"})
    assert options == CohortOptions(
        Path("v.vcf"), Path("r.fa"), Path("e.bed"), window=500_000, genes="G1,G2", maf=0.05
    )
    assert from_values(EvaluationOptions, {"models": "blup, susie"}).models == ("blup", "susie")
    assert from_values(ZeroShotOptions, {"shifts": "-1,0,1kb"}).shifts == (-1, 0, 1_000)
    assert from_values(ZeroShotOptions, {"enformer": Path("weights")}).enformer == "weights"
    region = "chr1:1,000-2,000"  # whose commas separate nothing
    assert from_values(PretrainingOptions, {"reference": "r.fa", "hold_out": region}).hold_out == (region,)


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        (EvaluationOptions, {"folds": 1}, "--folds 1: at least 2 are needed"),
        (EvaluationOptions, {"folds": "five"}, "--folds five: give a whole number"),
        (EvaluationOptions, {"gene_split": 1}, "--gene-split 1: give 2 splits or more"),
        (EvaluationOptions, {"normalize": "zscore"}, f"give one of {', '.join(NORMALISATIONS)}"),
        (EvaluationOptions, {"seed": 1 << 63}, "give a whole number from 0 to below 2\\^63"),
        (BackboneOptions, {"precision": "half"}, "--precision half: give one of float32, mixed"),
        (BackboneOptions, {"backbone": 3}, "--backbone 3: give a text"),
        (WorkerOptions, {"jobs": 0}, "--jobs 0: give 1 or more"),
        (ZeroShotOptions, {"shifts": (1, 1)}, "--shifts 1,1: give at least one, each once"),
        (ZeroShotOptions, {"shifts": ()}, "--shifts : give at least one, each once"),
        (ZeroShotOptions, {"reverse_complement": 1}, "--reverse-complement 1: give true or false"),
        (CohortOptions, {**FILES, "maf": float("nan")}, "--maf nan: give a frequency from 0 to below 0.5"),
        (CohortOptions, {**FILES, "maf": "rare"}, "--maf rare: give a number"),
        (CohortOptions, {**FILES, "covariates": 5}, "--covariates 5: give a path"),
        (EvaluationOptions, {"models": 1.5}, "--models 1.5: give a list"),
        (PretrainingOptions, {"reference": "r.fa", "window": 7}, "--window 7: give a multiple of 6 bp"),
    ],
)
def test_what_is_out_of_range_is_one_line(kind: type[Options], value: dict[str, Any], line: str) -> None:
    with pytest.raises(OptionError, match=line) as found:
        from_values(kind, value)
    assert str(pickle.loads(pickle.dumps(found.value))) == str(found.value)


def test_what_is_made_directly_is_checked_too() -> None:
    with pytest.raises(InputError, match="--folds 0"):
        EvaluationOptions(folds=0)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_option_has_a_help_and_a_default_in_range(kind: type[Options]) -> None:
    options = option_fields(kind)
    described = {field.name for field in fields(kind)} - {"zero_shot"}  # type: ignore[arg-type]
    assert set(options) == described
    for option in options.values():
        assert option.help.endswith(".")
        assert "{names}" not in option.help + (option.unset or "")
        if not option.required:
            option.check(option.default)
            assert option.parse(option.default) == option.default
        if option.option.names is not None:
            assert all(
                name in option.help + (option.unset or "") for name in resolve_name(option.option.names)
            )


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"variants": Path("v.vcf"), "genes": 1}, "--variants and --reference go together"),
        ({"expression": Path("e.bed"), "samples": 5}, "--expression names real genes"),
        ({"genes": 5}, "--samples is missing"),
        ({"samples": 5}, "--genes is missing"),
        ({"samples": 5, "genes": 5, "main_effects": True}, "--main-effects is for --architecture epistatic"),
    ],
)
def test_options_that_do_not_go_together(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        SimulationOptions(**given)

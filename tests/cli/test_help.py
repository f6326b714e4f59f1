"""What the command line says of itself, and of the names that other programs have for its options."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from haploscribe.cli.help import Subcommand, commands
from haploscribe.cli.main import cli
from haploscribe.config.fields import option_fields
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from tests.fixtures.command_line import run_cli

COMMANDS = [one for one in commands(cli) if isinstance(one, Subcommand)]


def help_of(
    *names: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """Return the text under each heading of a command's help."""
    monkeypatch.setenv("COLUMNS", "110")
    assert run_cli(*names, "--help", monkeypatch=monkeypatch) == 0
    parts = re.split(r"^([A-Z].*):\n", capsys.readouterr().out, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("names", [(), ("export",)])
def test_a_group_alone_prints_its_help(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(*names, monkeypatch=monkeypatch) == 0
    bare = capsys.readouterr()
    assert run_cli(*names, "--help", monkeypatch=monkeypatch) == 0
    assert bare.out == capsys.readouterr().out
    assert bare.err == ""


def test_every_command_stands_under_one_heading_with_a_whole_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = help_of(monkeypatch=monkeypatch, capsys=capsys)
    headings = [heading for heading in sections if heading != "Options"]
    assert headings == ["Start", "Use a finished run", "Tools"]
    listed = [
        (name, " ".join(sentence.split()))
        for heading in headings
        for name, sentence in re.findall(
            r"^  (\w+) +((?:.+\n)(?:    .+\n)*)", sections[heading], re.MULTILINE
        )
    ]
    assert sorted(name for name, _ in listed) == sorted(cli.commands)
    for name, sentence in listed:
        assert sentence.endswith(".")
        assert not sentence.endswith("...")
        assert " ".join((cli.commands[name].help or "").split()).startswith(sentence)


def test_options_of_run_stand_under_the_headings_of_their_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = help_of("run", monkeypatch=monkeypatch, capsys=capsys)
    kinds = (CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions)
    fields = [field for kind in kinds for field in option_fields(kind).values()]
    for field in fields:
        flag = f"--{field.option.flag or field.name.replace('_', '-')}"
        found = [
            heading for heading, text in sections.items() if re.search(rf"^  {flag}\b", text, re.MULTILINE)
        ]
        assert found == [field.group]
    groups = ["Inputs", "Genes and variants", "Models", "Evaluation", "Backbone", "Zero-shot models"]
    assert list(sections) == ["Usage", *groups, "Workers", "Output", "General", "  Example"][1:-1]
    assert "--out " in sections["Output"]


def words_of_examples() -> Iterator[tuple[Subcommand, list[str]]]:
    for command in COMMANDS:
        assert command.example is not None
        yield command, shlex.split(command.example.replace("\\\n", " "))


@pytest.mark.parametrize(("command", "words"), list(words_of_examples()), ids=[one.name for one in COMMANDS])
def test_every_command_ends_its_help_with_a_command_line_that_it_takes(
    command: Subcommand, words: list[str]
) -> None:
    assert words.pop(0) == "haploscribe"
    found: click.Command = cli
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    assert found is command
    command.make_context(command.name, words)
    shown = (command.example or "").splitlines()
    printed = command.get_help(click.Context(command)).splitlines()
    assert [line.strip() for line in printed[-len(shown) :]] == [line.strip() for line in shown]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("run --vcf x", "no option --vcf: it is --variants here (see haploscribe run --help)"),
        ("run --pfile x", "no option --pfile: it is --variants here"),
        ("check --phenotypes x", "no option --phenotypes: it is --expression here"),
        ("run --maf_threshold 0.05", "no option --maf_threshold: it is --maf here"),
        ("run --hidden_factors x", "no option --hidden_factors: it is --hidden-factors here"),
        ("run --covar x", "no option --covar: it is --covariates here"),
        ("run --crossval 5", "no option --crossval: it is --folds here"),
        ("run -o x", "no option -o: it is --out here"),
        ("predict --weights x", "no option --weights: it is --results here"),
        ("explain --genes x", "no option --genes: it is --gene here"),
        ("export covariance --keep x", "no option --keep: it is --samples here"),
        ("run --bfile x", "no option --bfile: PLINK 1 files keep no phase; give the phased VCF"),
        ("report --vcf x", "No such option '--vcf'."),
    ],
)
def test_names_of_other_programs_are_recognised(
    words: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(*words.split(), monkeypatch=monkeypatch) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"haploscribe: {line}")

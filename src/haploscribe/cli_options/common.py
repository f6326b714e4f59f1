"""Options that several verbs share, and the file that can hold them all."""

import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from haploscribe.atomic import HIDDEN_FROM, created_for
from haploscribe.errors import InputError
from haploscribe.names import LONGEST_NAME
from haploscribe.options import DEFAULT_TILE, DEFAULT_WINDOW, BackboneOptions, CohortOptions, WorkerOptions

Command = TypeVar("Command", bound=Callable[..., Any])


class _Place(click.Path):
    """A path of a file or folder that the system can take."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path, and one with a name that is too long."""
        path = os.fspath(value)
        if not path or "\0" in path:
            self.fail(f"{path!r} is no path; name a file or folder", param, ctx)
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(path).parts):
            self.fail(f"a name in it is longer than {LONGEST_NAME} bytes; name another", param, ctx)
        return super().convert(value, param, ctx)


FILE = _Place(path_type=Path)
OUT_FILE = _Place(path_type=Path, dir_okay=False)

COHORT = (
    click.option("--variants", type=FILE, required=True, help="Phased genotypes: VCF, VCF.gz, BCF or PGEN."),
    click.option("--reference", type=FILE, required=True, help="Reference FASTA, plain or bgzipped."),
    click.option(
        "--expression",
        type=FILE,
        required=True,
        help="Expression: BED, BED.gz or Parquet, columns as tensorQTL or QTLtools; TSS = end.",
    ),
    click.option(
        "--covariates", type=FILE, help="Covariates, a row each, a column a sample. [default: none]"
    ),
    click.option(
        "--hidden-factors",
        type=FILE,
        help="Factors of expression (PEER, PCs), laid out as covariates: taken out only of what models that "
        "use other genes learn from. [default: none]",
    ),
    click.option("--genes", metavar="FILE|ID,ID", help="Only these genes. [default: all of the table]"),
    click.option(
        "--window",
        type=int,
        metavar="BP",
        default=DEFAULT_WINDOW,
        show_default=True,
        help="Width of the cis window around the TSS, in base pairs.",
    ),
    click.option(
        "--tile",
        type=int,
        metavar="BP",
        default=DEFAULT_TILE,
        show_default=True,
        help="Size of the tiles that are embedded, in base pairs.",
    ),
    click.option(
        "--maf",
        type=float,
        default=0.01,
        show_default=True,
        help="Leave out variants with a rarer minor allele among the samples of the run.",
    ),
    click.option("--assume-phased", is_flag=True, help="Read unphased heterozygotes as if phased."),
)

BACKBONE = (
    click.option(
        "--backbone",
        metavar="NAME|PATH",
        default="nano",
        show_default=True,
        help="Frozen model that embeds the tiles: a name (see `haploscribe backbones`), a checkpoint's "
        "folder, or your own as module:Name, from the current folder or an installed package.",
    ),
    click.option(
        "--layer",
        type=int,
        default=-1,
        show_default=True,
        help="Hidden state to take: 0 is the token embedding, negative counts from the last layer.",
    ),
    click.option(
        "--pooling",
        metavar="mean|bins-K",
        default="mean",
        show_default=True,
        help="Mean over the tile's tokens, or over each of K equal stretches.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float32", "mixed"]),
        default="float32",
        show_default=True,
        help="Of the backbone. mixed, for GPUs: float16 products, all else float32; refused where real "
        "haplotypes' deltas do not survive it.",
    ),
    click.option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        default="auto",
        show_default=True,
        help="Where backbone and zero-shot models run; auto takes a GPU where there is one.",
    ),
)

WORKERS = (
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=lambda: len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        show_default="all cores",
        help="Processes that work side by side on this machine.",
    ),
    click.option(
        "--dask",
        metavar="ADDRESS|local:N",
        help="Work on a Dask cluster instead: the scheduler's address, such as tcp://host:8786, or local:N "
        "for one of N processes here. Needs the extra [cluster]. [default: none]",
    ),
)


def writes_files(command: Command) -> Command:
    """Let a command's user say who may read what it writes: by itself, the owner alone."""

    @wraps(command)
    def private(*arguments: Any, readable_by: str, **values: Any) -> Any:
        with created_for(readable_by):
            return command(*arguments, **values)

    option = click.option(
        "--readable-by",
        type=click.Choice(list(HIDDEN_FROM)),
        default="owner",
        show_default=True,
        help="Who may read the files and folders that are made, as far as your umask lets them.",
    )
    return option(private)  # type: ignore[return-value]


def with_options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in order, and `--config` behind them."""
    config = click.option(
        "--config",
        type=FILE,
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file with any of these options by the same names; those of other verbs are passed over. "
        "The command line goes first.",
    )

    def decorate(command: Command) -> Command:
        for option in reversed([*(option for group in groups for option in group), config]):
            command = option(command)
        return command

    return decorate


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of the command's options."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"--config {path}: is no TOML: {error}; write it in UTF-8, a line `option = value` each"
        ) from None
    settings = {name.replace("-", "_"): value for name, value in values.items()}
    # One file may serve several verbs: what is an option of another is passed over.
    known = {
        parameter.name for command in _commands(context.find_root().command) for parameter in command.params
    }
    unknown = sorted(set(settings) - (known - {"config"}))
    if unknown:
        raise InputError(
            f"--config {path}: no option {unknown[0]!r} of haploscribe {context.info_name} or any other "
            "verb; see --help"
        )
    context.default_map = {}
    for parameter in context.command.params:
        if parameter.name in settings:
            value = _as_typed(settings[parameter.name], parameter)
            try:
                parameter.type_cast_value(context, value)
            except click.BadParameter as error:
                raise InputError(
                    f"--config {path}: {parameter.name}: {error.message}; see haploscribe "
                    f"{context.info_name} --help"
                ) from None
            context.default_map[parameter.name] = value


def _commands(command: click.Command) -> Iterator[click.Command]:
    """List a command and all below it."""
    yield command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _commands(below)


def _as_typed(value: object, parameter: click.Parameter) -> object:
    """Give a TOML value as the command line would hold it."""
    if isinstance(value, list):
        texts = [str(one) for one in value]
        return texts if getattr(parameter, "multiple", False) else ",".join(texts)
    if isinstance(value, bool) and getattr(parameter, "is_flag", False):
        return value
    return [str(value)] if getattr(parameter, "multiple", False) else str(value)


def cohort_options(values: dict[str, Any]) -> CohortOptions:
    """Take the cohort's options out of a command's values."""
    return CohortOptions(**{name: values.pop(name) for name in CohortOptions.__dataclass_fields__})


def backbone_options(values: dict[str, Any]) -> BackboneOptions:
    """Take the backbone's options out of a command's values."""
    return BackboneOptions(**{name: values.pop(name) for name in BackboneOptions.__dataclass_fields__})


def worker_options(values: dict[str, Any]) -> WorkerOptions:
    """Take the workers' options out of a command's values."""
    return WorkerOptions(**{name: values.pop(name) for name in WorkerOptions.__dataclass_fields__})


def listed(text: str) -> tuple[str, ...]:
    """Split what commas join."""
    return tuple(name.strip() for name in text.split(",") if name.strip())

"""Options of the command line, made from `haploscribe.config`, and the TOML file of `--config`."""

import os
import tomllib
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from haploscribe.cli.help import GroupedOption, commands, option_names
from haploscribe.cli.synonyms import advice
from haploscribe.config.fields import (
    Alternative,
    Group,
    OptionError,
    OptionField,
    Options,
    OptionsT,
    from_values,
    option_fields,
)
from haploscribe.errors import InputError
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import UMASKS, umask_for
from haploscribe.utils.names import LONGEST_NAME

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]


class _CheckedPath(click.Path):
    """A valid path of a file or folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path, and one with a name that is too long."""
        path = os.fspath(value)
        if not path or "\0" in path:
            self.fail(f"{path!r} is no path; name a file or folder", param, ctx)
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(path).parts):
            self.fail(f"a name in it is longer than {LONGEST_NAME} bytes; name another", param, ctx)
        return super().convert(value, param, ctx)


FILE = _CheckedPath(path_type=Path)
OUT_FILE = _CheckedPath(path_type=Path, dir_okay=False)


class _Parsed(click.ParamType):  # type: ignore[type-arg]
    """A length, or a list that commas join, as its option reads it."""

    name = "text"

    def __init__(self, field: OptionField) -> None:
        self._field = field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text."""
        try:
            return self._field.parse(value)
        except OptionError as error:
            self.fail(f"{value!r}: {error.advice}", param, ctx)


class _ConfigOption(GroupedOption):
    """An option that a field of `haploscribe.config` describes."""

    def __init__(self, *arguments: Any, field: OptionField, **attributes: Any) -> None:
        super().__init__(*arguments, group=field.group, **attributes)
        self.field = field


def click_options(
    kind: type[Options],
    *,
    only: Sequence[str] | None = None,
    without: Sequence[str] = (),
    hidden: bool = False,
    weights_of_run: bool = False,
) -> list[Decorator]:
    """Make the options of a command from a class of options.

    Parameters
    ----------
    kind
        The class.
    only
        Names of the fields to take, in that order; None for all.
    without
        Names of fields to leave out.
    hidden
        Accept the options, but do not show them in the help.
    weights_of_run
        Describe each option as the weights of a model of a finished run.
    """
    fields = option_fields(kind)
    made = []
    for name in only or fields:
        if name not in without:
            text = _help(fields[name])
            if weights_of_run:
                text = f"Weights of {name}, if the run had it. [default: leave it out]"
            own, alternative = fields[name], fields[name].option.alternative
            options = [_click_option(own, text, hidden=hidden)]
            if alternative is not None:
                other = _alternative_option(alternative, own, hidden=hidden)
                options = [other, *options] if own.required else [*options, other]
            made += options
    return made


def _help(field: OptionField) -> str:
    return field.help if field.unset is None else f"{field.help} [default: {field.unset}]"


def _click_option(field: OptionField, text: str, *, hidden: bool) -> Decorator:
    flag = f"--{field.option.flag or field.name.replace('_', '-')}"
    attributes: dict[str, Any] = {"cls": _ConfigOption, "field": field, "help": text, "hidden": hidden}
    if bool in field.types:
        return click.option(flag, field.name, is_flag=True, **attributes)
    attributes |= {"metavar": field.option.metavar, "type": _type(field)}
    attributes["required"] = field.required and field.option.alternative is None
    if Files in field.types:
        attributes["callback"] = lambda _context, _parameter, value: field.parse(value)
    if field.repeated:
        return click.option(flag, field.name, multiple=True, **attributes)
    if field.name == "jobs":
        attributes |= {"default": _all_cores, "show_default": "all cores"}
    elif not field.required and field.default is not None:
        default = field.default
        attributes["default"] = ",".join(map(str, default)) if isinstance(default, tuple) else default
        attributes["show_default"] = True
    return click.option(flag, field.name, **attributes)


def _alternative_option(alternative: Alternative, field: OptionField, *, hidden: bool) -> Decorator:
    """Make the option that may be given in place of another."""
    return click.option(
        f"--{alternative.name}",
        cls=GroupedOption,
        group=field.group,
        metavar=field.option.metavar,
        type=_type(field),
        help=alternative.help,
        hidden=hidden,
    )


def _type(field: OptionField) -> Any:
    if field.choices:
        return click.Choice(field.choices)
    if Files in field.types:
        return FILE
    if field.repeated:
        return str
    if field.is_list or field.option.unit is not None:
        return _Parsed(field)
    return FILE if Path in field.types else field.types[0] if len(field.types) == 1 else str


def _all_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def taken(kind: type[OptionsT], values: dict[str, Any]) -> OptionsT:
    """Remove the options of a class from a command's values and return them.

    Raises
    ------
    InputError
        When one is out of range, or options conflict.
    click.UsageError
        When one that must be given is not, nor its alternative.
    """
    for name, field in option_fields(kind).items():
        alternative = field.option.alternative
        other = None if alternative is None else values.pop(alternative.name, None)
        if alternative is not None and other is not None:
            if click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT:
                raise InputError(f"--{name} and --{alternative.name} say the same; give one of them")
            values[name] = alternative.value(other)
        elif alternative is not None and field.required and values.get(name) is None:
            raise click.UsageError(f"Missing option '--{alternative.name}'.", click.get_current_context())
    names = [name for name in option_fields(kind) if name in values]
    return from_values(kind, {name: values.pop(name) for name in names})


def writes_files(command: Command) -> Command:
    """Add `--readable-by` to a command: who may read what it writes, by default the owner alone."""

    @wraps(command)
    def private(*arguments: Any, readable_by: str, **values: Any) -> Any:
        with umask_for(readable_by):
            return command(*arguments, **values)

    option = own_option(
        "--readable-by",
        type=click.Choice(list(UMASKS)),
        default="owner",
        show_default=True,
        help="Who may read the files and folders that are created, within your umask.",
    )
    return option(private)  # type: ignore[no-any-return]


def own_option(*names: str, group: Group = "Output", **attributes: Any) -> Decorator:
    """Make an option that a command has beside those of `haploscribe.config`."""
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


def out_option(text: str, kind: click.Path = FILE) -> Decorator:
    """Make the required option `--out`."""
    return own_option("--out", type=kind, required=True, help=text)


JSON = own_option(
    "--json", "as_json", is_flag=True, help="Print summary.json and the rows of the table as JSON instead."
)


def with_options(*groups: Sequence[Decorator]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in order, followed by `--config`."""
    config = click.option(
        "--config",
        type=FILE,
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file with any of these options by the same names; those of other commands are checked and "
        "not used. The command line takes precedence.",
    )

    def decorate(command: Command) -> Command:
        for option in reversed([*(option for group in groups for option in group), config]):
            command = option(command)
        return command

    return decorate


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Use the file's values as defaults of the command's options."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"--config {path}: is no TOML: {error}; write it in UTF-8, one line `option = value` per option"
        ) from None
    context.default_map = {}
    for written, value in values.items():
        name = written.replace("-", "_")
        own = [parameter for parameter in context.command.params if parameter.name == name]
        others = [
            parameter
            for command in commands(context.find_root().command)
            for parameter in command.params
            if parameter.name == name
        ]
        if not others or name == "config":
            line = advice(written, option_names(context.command) - {"config"}) or (
                f"no option {written!r} of haploscribe {context.info_name} or any other command; see --help"
            )
            raise InputError(f"--config {path}: {line}")
        refused = [_refused(value, parameter, context) for parameter in own or others]
        if all(refused):  # one file may serve several commands, some of whose options share a name
            raise InputError(f"--config {path}: {name}: {refused[0]}")
        if own:
            context.default_map[name] = _as_typed(value, own[0])


def _refused(value: object, parameter: click.Parameter, context: click.Context) -> str | None:
    """Return why an option does not take a value of the file; None where it does."""
    try:
        found = parameter.type_cast_value(context, _as_typed(value, parameter))
        if isinstance(parameter, _ConfigOption):
            parameter.field.check(found)
    except click.BadParameter as error:
        return f"{error.message}; see haploscribe {context.info_name} --help"
    except OptionError as error:
        return f"{error.value}: {error.advice}"
    return None


def _as_typed(value: object, parameter: click.Parameter) -> object:
    """Return a TOML value as the command line would give it."""
    if isinstance(value, list):
        texts = [str(one) for one in value]
        return texts if getattr(parameter, "multiple", False) else ",".join(texts)
    if isinstance(value, bool) and getattr(parameter, "is_flag", False):
        return value
    return [str(value)] if getattr(parameter, "multiple", False) else str(value)


def listed(text: str) -> tuple[str, ...]:
    """Split a text at commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())

"""Commands and groups whose help has headings, whole sentences and an example."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import click

from haploscribe.cli.synonyms import advice
from haploscribe.config.fields import Group
from haploscribe.utils.resources import require_address_space

_WHOLE = 1_000
"""Characters of a sentence in the list of commands, at most: none is cut."""
_ARGUMENTS = "haploscribe.arguments"


class GroupedOption(click.Option):
    """An option that the help lists under a heading."""

    def __init__(self, *arguments: Any, group: Group, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.group = group


class Subcommand(click.Command):
    """A command with an example and groups of options.

    Parameters
    ----------
    example
        A command line that its help ends with; None for none.
    """

    def __init__(self, *arguments: Any, example: str | None = None, **attributes: Any) -> None:
        if example is not None:
            attributes["epilog"] = "\b\nExample:\n" + _indented(example)
        super().__init__(*arguments, **attributes)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, and recognise the names that other programs have for an option."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            line = advice(error.option_name, option_names(self))
            if line is None:
                raise
            raise click.UsageError(line, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Check the memory limit and run; `--help` needs almost none."""
        require_address_space()
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, under their headings."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                records.setdefault(getattr(parameter, "group", "General"), []).append(record)
        for group in get_args(Group):
            if group in records:
                with formatter.section(group):
                    formatter.write_dl(records[group])


class Subcommands(click.Group):
    """A group of subcommands, or of such groups.

    Parameters
    ----------
    sections
        Names of its commands under each heading of its help; None for one list of all.
    """

    command_class = Subcommand
    group_class = type

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.sections = sections

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, under their headings, each with its first sentence."""
        sections = self.sections or {"Commands": self.list_commands(ctx)}
        for heading, names in sections.items():
            with formatter.section(heading):
                rows = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names]
                formatter.write_dl(rows)


def given_arguments() -> tuple[str, ...]:
    """Return the words behind the running command, as they were given."""
    found: tuple[str, ...] = click.get_current_context().meta[_ARGUMENTS]
    return found


def option_names(command: click.Command) -> set[str]:
    """Return the names of a command's options, without `--`."""
    return {name.removeprefix("--") for parameter in command.params for name in parameter.opts}


def commands(command: click.Command) -> Iterator[click.Command]:
    """Yield a command and all its subcommands."""
    yield command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from commands(below)


def _indented(example: str) -> str:
    return "\n".join(f"  {line}" for line in example.splitlines())

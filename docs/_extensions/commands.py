"""The directive `commands`: every verb of the command line and all its options, from the click commands."""

import re
from collections.abc import Iterator
from inspect import cleandoc

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from fragments import parsed, section
from haploscribe.cli.main import cli


class Commands(SphinxDirective):
    """A section for each verb, in the order of the code."""

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        return [
            section(
                self,
                context.command_path,
                identifier(context.command_path),
                parsed(self, _describe(context)),
            )
            for context in contexts(cli, "haploscribe")
        ]


def contexts(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Walk over a command, its verbs, and theirs; what is hidden stays so."""
    context = click.Context(command, info_name=name, parent=parent)
    if command.hidden:
        return
    yield context
    if isinstance(command, click.Group):
        for verb, child in command.commands.items():
            yield from contexts(child, verb, context)


def _describe(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [cleandoc(command.help or ""), f"```text\n{usage}\n```"]
    parts.append(f"```{{program}} {context.command_path}\n```")
    if isinstance(command, click.Group):
        parts.append(_list_verbs(command, context.command_path))
    options = (one for one in command.params if isinstance(one, click.Option) and not one.hidden)
    parts += [f"```{{option}} {_signature(one, context)}\n{_explain(one, context)}\n```" for one in options]
    return "\n\n".join(parts)


def _list_verbs(group: click.Group, path: str) -> str:
    """List the verbs of a group, each with its first sentence."""
    verbs = [(f"{path} {name}", verb) for name, verb in group.commands.items() if not verb.hidden]
    return "\n".join(
        f"- [`{verb_path}`](#{identifier(verb_path)}): {verb.get_short_help_str(limit=200)}"
        for verb_path, verb in verbs
    )


def identifier(path: str) -> str:
    """Name the section of a command, as in links to it."""
    return path.replace(" ", "-")


def _signature(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    return ", ".join(name + value for name in (*option.opts, *option.secondary_opts))


def _explain(option: click.Option, context: click.Context) -> str:
    """Give the option's help, and as sentences what `--help` prints in brackets behind it."""
    extra = option.get_help_extra(context)
    notes = ["Required."] if option.required else []
    if "default" in extra:
        shown = extra["default"]
        notes.append(f"Default: {shown[1:-1]}." if shown.startswith("(") else f"Default: `{shown}`.")
    text = re.sub(r"\[default: (.+)\]$", r"Default: \1.", (option.help or "").strip(), flags=re.DOTALL)
    return " ".join([text, *notes]).strip()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

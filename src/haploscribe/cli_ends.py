"""How the command line begins and ends: memory, streams, one line for what went wrong, the exit code."""

import os
import sys
import warnings
from typing import Any, TextIO

import click

from haploscribe.errors import InputError, RepairedWarning
from haploscribe.memory import lack_of_memory, no_memory, require_address_space
from haploscribe.names import printable
from haploscribe.room import lack_of_room, no_room


class _Verb(click.Command):
    """A command that asks for the memory that all of them need before it begins."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        require_address_space()
        return super().invoke(ctx)


class Verbs(click.Group):
    """Commands that do work, and groups of such."""

    command_class = _Verb
    group_class = type


def run_to_exit(cli: click.Group) -> None:
    """Run the command line and exit.

    0 done; 2 the input or the options are at fault, or there is no room or memory; 130 stopped by the
    keyboard; 1 ours, or nobody reads the output to its end.
    """
    _open_closed_streams()
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", RepairedWarning)
    try:
        cli(prog_name="haploscribe", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        reason = lack_of_memory(error)  # as which a file may have seemed unreadable
        _stop(str(error if reason is None else no_memory(reason)))
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "haploscribe"
        _stop(f"{error.format_message()} (see {where} --help)")
    except click.ClickException as error:
        _stop(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        click.echo("haploscribe: stopped; the same command goes on where it was", err=True)
        sys.exit(130)
    except SystemExit:
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        _drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        if (reason := lack_of_room(error)) is not None:
            _stop(str(no_room(reason, getattr(error, "filename", None) or "standard output")))
        if (reason := lack_of_memory(error)) is None:
            raise
        _stop(str(no_memory(reason)))


def _open_closed_streams() -> None:
    """Open what the shell has closed (`>&-`), so that no file that is opened next is taken for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(opened, True)  # workers need theirs too
            setattr(sys, name, os.fdopen(opened, "r" if number == 0 else "w"))


def _drop_output() -> None:
    """Drop what standard output or error refuses: it would be refused again, at exit, with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our own warning as one line, another's as Python does."""
    if issubclass(category, RepairedWarning):
        click.echo(f"haploscribe: warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno), err=True, nl=False)


def _stop(message: str) -> None:
    click.echo(f"haploscribe: {printable(' '.join(message.split()))}", err=True)
    sys.exit(2)

"""Run the command line and exit: one line for each error, warnings, exit codes, standard streams."""

import os
import sys
import warnings
from typing import TextIO

import click

from haploscribe.errors import InputError, RepairedWarning, StoppedError
from haploscribe.utils.names import printable
from haploscribe.utils.resources import disk_full_error, out_of_memory_error


def run_to_exit(cli: click.Group) -> None:
    """Run the command line and exit.

    Exit codes: 0 success, and help; 2 invalid input or options, a full disk or too little memory; 130
    interrupted from the keyboard; 1 a bug, or a closed pipe on standard output.
    """
    _open_closed_streams()
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", RepairedWarning)
    try:
        cli(prog_name="haploscribe", standalone_mode=False)
        sys.stdout.flush()
    except StoppedError as error:
        _stop(str(error))
    except InputError as error:  # a file may have seemed unreadable for lack of memory
        _stop(str(out_of_memory_error(error) or error))
    except click.UsageError as error:
        _help_or_stop(error)
    except click.ClickException as error:
        _stop(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        click.echo("haploscribe: interrupted; rerunning the same command resumes", err=True)
        sys.exit(130)
    except SystemExit:
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        _drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        if (stopped := disk_full_error(error) or out_of_memory_error(error)) is None:
            raise
        _stop(str(stopped))


def _open_closed_streams() -> None:
    """Open streams that the shell has closed (`>&-`), so that no file opened later gets their descriptor."""
    for index, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            os.set_inheritable(opened, True)  # workers need theirs too
            setattr(sys, name, os.fdopen(opened, "r" if index == 0 else "w"))


def _drop_output() -> None:
    """Drop output that standard streams refuse: flushing it at exit would fail again, with a traceback."""
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
    """Print our own warnings in one line, others as Python does."""
    if issubclass(category, RepairedWarning):
        click.echo(f"haploscribe: warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno), err=True, nl=False)


def _help_or_stop(error: click.UsageError) -> None:
    """Print the help of a group that was called without a subcommand; else stop with one line."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return
    where = error.ctx.command_path if error.ctx else "haploscribe"
    _stop(f"{error.format_message()} (see {where} --help)")


def _stop(message: str) -> None:
    click.echo(f"haploscribe: {printable(' '.join(message.split()))}", err=True)
    sys.exit(2)

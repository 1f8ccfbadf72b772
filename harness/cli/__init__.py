"""The `harness` command. Each subcommand is imported when it is called, so --help is quick."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from harness import __version__

_COMMANDS = {
    "eval": ("harness.cli.eval", "Evaluate a model on tasks."),
    "score": ("harness.cli.score", "Score a run again, or answers produced elsewhere."),
    "compare": ("harness.cli.compare", "Compare runs row by row, with honest errors."),
    "export": ("harness.cli.export", "Write scores as tables, CSV, model cards, lmms-eval files."),
    "tasks": ("harness.cli.tasks", "List, show, check and make tasks."),
    "synth": ("harness.cli.synth", "Turn image-caption pairs into visual instructions."),
    "train": ("harness.cli.train", "Post-train a model on conversations with pictures."),
    "adapt": ("harness.cli.adapt", "Synthesize, train, evaluate, compare: the whole loop."),
    "audit": ("harness.cli.audit", "Find test rows in training data, and leave them out."),
    "leaderboard": ("harness.cli.leaderboard", "Look at runs and rows in a browser."),
    "demo": ("harness.cli.demo", "Run the whole loop on a toy domain, without a network."),
    "doctor": ("harness.cli.doctor", "Show what is installed and what is missing."),
}


# Errors of a path that was asked for; any other (a full disk, a failing one) ends a run midway.
_WRONG_PATH = (
    PermissionError, NotADirectoryError, FileNotFoundError, IsADirectoryError, FileExistsError,
)  # fmt: skip
_WRONG_NUMBERS = (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


class LazyGroup(click.Group):
    """Knows its commands' names and short helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("eval", "eval_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from their short helps."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where one is unknown."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from tasks import nearest

            raise click.UsageError(
                f"no such command {args[0]!r}{nearest(args[0], _COMMANDS)} "
                f"Commands: {', '.join(_COMMANDS)}.",
                ctx,
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Evaluate domain-adapted multimodal LLMs.

    \b
    Examples:
      harness eval --model Qwen/Qwen2-VL-2B-Instruct --tasks biomed
      harness eval --model ./checkpoint --tasks slake,food101 --data rows/
      harness tasks show slake
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command; a user's mistake is one message and exit code 2, never a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(_run(args))


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as Slurm sends it before a time limit; ends the command like Ctrl-C does."""


def _terminate(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the journals are being closed
    raise _Terminated


def _run(args: Sequence[str] | None) -> int:
    from harness.errors import UserError
    from harness.progress import printable

    try:
        status: Any = cli.main(args=None if args is None else list(args), standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as stop:
        # click turns a KeyboardInterrupt into its Abort.
        terminated = isinstance(stop, _Terminated) or isinstance(stop.__cause__, _Terminated)
        click.echo("terminated" if terminated else "stopped", err=True)
        return 143 if terminated else 130
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(printable(shown.getvalue()), nl=False, err=True)
        return error.exit_code
    except click.exceptions.Exit as request:
        return request.exit_code
    except UserError as error:
        click.echo(f"error: {printable(error.message)}", err=True)
        if error.hint:
            click.echo(f"  {printable(error.hint)}", err=True)
        return 2
    except BrokenPipeError:
        # The reader (head, less) is gone; point stdout elsewhere so that exit stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        return 2 if isinstance(error, _WRONG_PATH) or error.errno in _WRONG_NUMBERS else 1
    return status if isinstance(status, int) else 0

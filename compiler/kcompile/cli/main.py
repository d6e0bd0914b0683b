"""The command `kcompile`: finds the command asked for and imports only that one."""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from kcompile import __version__
from kcompile.problems import KcompileError, OurBugError

# Name, module, one line of help: known without importing the module.
_COMMANDS = {
    "build": ("kcompile.cli.build", "Compile manifests into a bundle."),
    "describe": ("kcompile.cli.describe", "Show one object of a bundle in detail."),
    "get": ("kcompile.cli.get", "List objects of a bundle."),
    "init": ("kcompile.cli.init", "Write Node documents for a list of hosts."),
    "lock": ("kcompile.cli.lock", "Show, check and edit kcompile.lock."),
    "node-program": ("kcompile.cli.node_program", "Write the program that nodes run."),
    "validate": ("kcompile.cli.validate", "Check manifests as build does, and write nothing."),
}
# The node's program, which has no click, reads the arguments of these.
_NODE_COMMANDS = {
    "apply": "Install a bundle's slice on this node, or show what would change.",
    "listen": "Hold node ports and answer health checks.",
    "remove": "Take all that kcompile installed off this node.",
    "status": "Compare this node with what is installed.",
}

EXIT_WRONG_INPUT = 1
EXIT_OUR_BUG = 70
EXIT_INTERRUPTED = 130


class _NodeCommand(click.Command):
    """A command of the node's program, from its name on as it was typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> int:
        code: int = import_module("kcompile.apply.main").main([self.name, *ctx.args])
        return code


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted({**_COMMANDS, **_NODE_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name in _NODE_COMMANDS:
            return _NodeCommand(cmd_name)
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])
        with formatter.section("Commands on a node"):
            formatter.write_dl(list(_NODE_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="kcompile")
def cli() -> None:
    """Compile Kubernetes manifests into packet rules, zone files and listeners, offline."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the user's mistakes and ours end with a message, not a traceback."""
    try:
        code = cli.main(args=arguments, prog_name="kcompile", standalone_mode=False)
    except KcompileError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_WRONG_INPUT)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        # Click ends quietly when nobody reads the pipe. What a bundle does not fit on is a problem
        # by now, so what is full is where standard output leads.
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            _our_bug(f"{type(error).__name__}: {error}")
        click.echo(f"kcompile: standard output cannot be written: {error.strerror}", err=True)
        # What is still buffered would fail again when Python ends, and change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_WRONG_INPUT)
    except RecursionError:
        _our_bug("the input is nested deeper than kcompile can follow")
    except OurBugError as error:
        _our_bug(str(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence against a traceback
        _our_bug(f"{type(error).__name__}: {error}")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _our_bug(message: str) -> None:
    click.echo(f"kcompile: internal error: {message}", err=True)
    click.echo("This is a bug in kcompile, not in your input; nothing was written.", err=True)
    sys.exit(EXIT_OUR_BUG)


if __name__ == "__main__":
    main()

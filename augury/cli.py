"""The command line: each module of augury/commands is the command of its name.

A command's module is loaded when it is run: some pull in the clients of Flink or Prefect, which take seconds
to import, and neither `augury status` nor a list of commands should wait for them.
"""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Any

import httpx
import typer
from confluent_kafka import KafkaException
from redis.exceptions import RedisError
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from augury import commands
from augury.stack.part import PartError
from features.cutover import CutoverError
from features.errors import DefinitionError
from features.handover import HandoverError
from inference.registry import ConflictError, UnknownModelError
from inference.tokens import TokenError


class Commands(TyperGroup):
    """The group whose members are the modules of augury/commands, each with a Typer `app` of one command."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the commands' names, in order."""
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Return the command of that name as a list shows it, or None."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(cmd_name, help=_summary(cmd_name))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Return the command that is run, whole: its name, itself, and what is left of the arguments."""
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, listed, rest
        return name, get_command(importlib.import_module(f"{commands.__name__}.{listed.name}").app), rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command; a part that fails or a mistake in a definition is a message and status 1."""
        try:
            return super().invoke(ctx)
        except (
            PartError,
            DefinitionError,
            UnknownModelError,
            ConflictError,
            CutoverError,
            HandoverError,
            TokenError,
        ) as error:
            typer.echo(f"augury: {error}", err=True)
            raise typer.Exit(1) from error
        except ModuleNotFoundError as error:
            text = f"a project is a Python module that can be imported from {Path.cwd()}: {error}"
            typer.echo(f"augury: {text}", err=True)
            raise typer.Exit(1) from error
        except (ConnectionError, httpx.TransportError, KafkaException, RedisError) as error:
            typer.echo(f"augury: {error}\nIs the stack up? `augury status` tells.", err=True)
            raise typer.Exit(1) from error


def _summary(name: str) -> str:
    """Give what the docstring of a command's module says after its name, without importing it."""
    (folder,) = commands.__path__
    text = ast.get_docstring(ast.parse(Path(folder, f"{name}.py").read_bytes())) or ""
    said = text.partition("\n\n")[0].partition(": ")[2]
    return said[:1].upper() + said[1:]


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def augury() -> None:
    """Event-driven predictive analytics: one definition of a feature for training and for serving."""
    sys.path.insert(0, str(Path.cwd()))  # a project is named as Python would import it from here

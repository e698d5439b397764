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
from pydantic import ValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from augury import commands
from augury.logs import quiet_clients
from augury.settings import Settings, refusal
from augury.stack.part import PartError
from features.cutover import CutoverError
from features.errors import DefinitionError
from features.handover import HandoverError
from inference.registry import ConflictError, UnknownModelError
from inference.tokens import TokenError
from schemas.log import UndeliveredError

_SURROUNDINGS = (
    *(ConnectionError, httpx.TransportError, KafkaException, UndeliveredError),
    *(RedisError, OperationalError),
)


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
        """Run the command; what fails by its rules or for its surroundings is a message and status 1.

        An interrupted command has status 130. Who reads no more of what is written ends it silently.
        """
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # a pipe that is closed is found here, not as the interpreter ends
        except BrokenPipeError:
            raise  # Typer ends it
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from error
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
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            typer.echo(f"augury: {refusal(error)}", err=True)
            raise typer.Exit(1) from error
        except _SURROUNDINGS as error:
            typer.echo(f"augury: {_asked(error)}{error}\nIs the stack up? `augury status` tells.", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            if error.filename is None:
                raise
            rule = "a file is read or written where the system lets it be, so the command has ended"
            typer.echo(f"augury: {rule}: {error.filename} ({error.strerror})", err=True)
            raise typer.Exit(1) from error


def _asked(error: Exception) -> str:
    """Say which address did not answer, of an error that does not say so itself."""
    if not isinstance(error, httpx.TransportError):
        return ""
    try:
        url = error.request.url
    except RuntimeError:  # it has no request
        return ""
    return f"{url.scheme}://{url.netloc.decode()} did not answer: "


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
    quiet_clients()
    sys.path.insert(0, str(Path.cwd()))  # a project is named as Python would import it from here

"""What commands share that decide something in the registry: who and why, a question before, events after."""

from collections.abc import Callable
from typing import Annotated, TypeVar

import httpx
import typer
from confluent_kafka import KafkaException

from augury.models import publish
from augury.settings import Settings
from inference.registry import Registry

Model = Annotated[str, typer.Argument(help="The model's name.")]
Why = Annotated[str, typer.Option(help="The reason; it is kept for ever.")]
By = Annotated[str, typer.Option(help="Who decides.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")]
A_PERSON = "a person"
Result = TypeVar("Result")


def confirm(what: str, yes: bool) -> None:
    """Ask whether to go on with what follows, unless that was said already."""
    if not yes:
        typer.confirm(f"{what}. Go on?", abort=True)


def decide(held: Registry, what: str, yes: bool, change: Callable[[], Result]) -> Result:
    """Make a change of the registry and give what it gives, asking before it unless that was said already.

    What the change would raise, it raises before anybody is asked; nor is anybody where it gives False, which
    is that nothing would change.
    """
    if not yes:
        with held.rehearsing():
            found = change()
        if found is False:
            return found
    confirm(what, yes)
    return change()


def tell(settings: Settings, held: Registry, done: str) -> None:
    """Say what was done, and send its events; what the log does not take now stays in the outbox."""
    typer.echo(done)
    try:
        publish(settings, held)
    except (RuntimeError, OSError, httpx.HTTPError, KafkaException) as error:
        typer.echo(
            f"its events wait in the outbox, until the bridge or the next change sends them: {error}",
            err=True,
        )

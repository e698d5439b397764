"""`augury token`: who may ask the HTTP door."""

from pathlib import Path
from typing import Annotated

import typer

from augury.clock import wall_ms
from augury.options import utc
from augury.settings import Settings
from augury.tables import console, table
from features.windows import milliseconds
from inference.tokens import Scope, TokensFile

app = typer.Typer(no_args_is_help=True, help="Tokens of the HTTP door.")
_NEVER = "never"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; it is revoked by this name.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be given several times.")],
    expires: Annotated[str, typer.Option(help="After how long, such as 90d; or never.")] = "90d",
) -> None:
    """Make a token and print it, once: the file has its hash alone. Doors know it within about a second."""
    now = wall_ms()
    ends = None if expires == _NEVER else now + milliseconds(expires, "--expires")
    typer.echo(_tokens().create(name, frozenset(scope), now, ends))
    until = "does not expire" if ends is None else f"expires at {utc(ends)}"
    typer.echo(f"{name} {until}; keep the token, for it is not shown again", err=True)


@app.command("list")
def list_tokens() -> None:
    """Show all tokens: name, id, scopes, and when they were made and expire."""
    shown, now = table("name", "id", "scopes", "made", "expires"), wall_ms()
    for token in _tokens().tokens():
        ends = token.expires_at
        until = _NEVER if ends is None else utc(ends) + (" (has expired)" if ends <= now else "")
        shown.add_row(token.name, token.id, ", ".join(sorted(token.scopes)), utc(token.created_at), until)
    console().print(shown)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Take a token back; doors refuse it within about a second."""
    _tokens().revoke(name)
    typer.echo(f"{name} is revoked", err=True)


def _tokens() -> TokensFile:
    file: Path | None = Settings().http_tokens_file
    if file is None:
        raise typer.BadParameter(
            "tokens are kept in a file that the door reads too; set AUGURY_HTTP_TOKENS_FILE, for both"
        )
    return TokensFile(file)

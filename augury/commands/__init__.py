"""The commands of `augury`, one a module: `app` is a Typer with one command, named as the module."""

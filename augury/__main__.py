"""`python -m augury`: the command line."""

from augury.cli import app

if __name__ == "__main__":
    app()

"""`augury models`: what is registered, and what serves."""

import typer
from rich.console import Console
from rich.table import Table

from augury.models import registry
from augury.settings import Settings

app = typer.Typer()


@app.command()
def models() -> None:
    """Show every model's versions with their status and metrics."""
    held = registry(Settings())
    table = Table("model", "version", "status", "holdout AUC", "experiment", "SHA-256")
    for name in held.models():
        for version in held.versions(name):
            metrics = held.experiment_metrics(version.experiment_id)
            auc = metrics.get("holdout_auc")
            table.add_row(
                name,
                str(version.version),
                version.status.value,
                "" if auc is None else f"{auc:.4f}",
                version.experiment_id,
                version.sha256[:12],
            )
    Console().print(table)

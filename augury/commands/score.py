"""`augury score`: predictions for all rows of a file."""

import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from augury.models import registry
from augury.options import COLUMNS
from augury.scoring import Batch
from augury.scoring import score as ask
from augury.settings import Settings
from features.vector import ModelPlan
from inference.files import BatchError, BatchFiles

app = typer.Typer()


@app.command()
def score(
    model: Annotated[str, typer.Argument(help="A registered model.")],
    file: Annotated[
        str, typer.Argument(help="Parquet or Arrow: a local file, or a URL below AUGURY_BATCHES_URL.")
    ],
    version: Annotated[int | None, typer.Option(help="The champion without it.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Have each result tell what each feature contributed.")
    ] = False,
) -> None:
    """Have the worker answer a request for each row, and show how far it is.

    The file has a column for each entity of the model, with its keys, and one for each input. The results
    are in prediction.results, and so in the warehouse, under the request ids BATCH/0, BATCH/1 and so on. The
    worker goes on if this command is ended.
    """
    settings, console = Settings(), Console()
    held = registry(settings)
    asked = held.champion(model) if version is None else held.get(model, version)
    if asked is None:
        raise typer.BadParameter(
            f"a batch goes to the champion or to a stated version; {model} has no champion"
        )
    entities = list(ModelPlan.from_dict(asked.signature).entities)
    files, batch_id = BatchFiles(settings.batches_url), f"{model}-{uuid.uuid4().hex[:12]}"
    try:
        uri = file if "://" in file else files.put(Path(file), batch_id)
        files.rows(uri, entities, 0, 1)
    except (BatchError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    progress = None
    with Progress(*COLUMNS, console=console, transient=True) as bar:
        task = bar.add_task(f"scoring {batch_id}", total=None)
        for progress in ask(Batch(batch_id, model, version, uri, entities, explain), settings):
            bar.update(task, completed=progress["done"], total=progress["total"])
    assert progress is not None  # the last one ends it
    if progress["error"] is not None:
        console.print(f"{batch_id} is refused: {progress['error']}")
        raise typer.Exit(1)
    console.print(f"{batch_id}: {progress['done']:,} rows answered, {progress['failed']:,} with an error")

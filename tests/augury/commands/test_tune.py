import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from click.testing import Result
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import codec, warehouse
from augury.experiments import EXPERIMENTS, GATES, TRIALS
from augury.models import registry
from augury.services.flows import collaborators
from augury.settings import Settings
from augury.stack import Stack
from augury.training import StoredDataset
from features.project import Project, load_project
from features.reference import LogRecord
from flows.experiments import next_recipe, record
from flows.export import export
from flows.training import train
from inference.registry import ExperimentKind, Registry, Trial, TrialState
from schemas.log import COORDINATING, Topic, consumer, create_topics
from tests.features.logs import HOUR, START
from tests.warehouse.history import write_log
from warehouse.client import Client, migrate
from warehouse.tables import source_table

PROJECT = """
from dataclasses import replace
from pathlib import Path
from features import DataType, Entity, GatePolicy, Integer, Label, Model, Search, Source

trips = Source("tuned_trips", Path(__file__).parent / "trip.avsc", "done", "trip", "line")
tuned = Model(
    "tuned",
    [Entity("line")],
    [],
    Label(trips, "trip", "late", due="due", lead="2h", horizon="1d"),
    inputs={"a": DataType.DOUBLE},
    on_demand={"twice": "a + a"},
    parameters={"num_iterations": 10, "num_leaves": 7},
    search=Search({"num_leaves": Integer(2, 31, log=True)}, trials=4, folds=2),
)
gates = GatePolicy(tuned, min_rows=100)
met = replace(
    tuned,
    name="met",
    trainer="tests.flows.trainers.noted:fit",
    parameters={"max_depth": 3, "folder": str(Path(__file__).parent / "fits"), "together": 2},
    search=Search({"max_depth": Integer(1, 6)}, trials=2, folds=2),
)
met_gates = GatePolicy(met, min_rows=100)
"""
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
COLUMNS = {
    "trip": "string",
    "line": "string",
    "due": MILLIS,
    "done": MILLIS,
    "late": "boolean",
    "a": "double",
}
ROWS, HELD = 1_000, "tuned_held"
_PATIENCE_S = 180

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class World:
    """A project whose labels are in the stack's warehouse."""

    settings: Settings
    project: Project
    client: Client
    registry: Registry


def _ask_for_a_group(reader: Consumer) -> None:
    """Ask once: librdkafka's client of admins crashes where nobody has asked yet, as in a log just made."""
    for _ in range(100):
        try:
            reader.committed([TopicPartition("tuned_trips", 0)], timeout=_PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() not in COORDINATING:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "tuned_project.py").write_text(PROJECT)
    fields = [{"name": name, "type": of} for name, of in COLUMNS.items()]
    schema = {"type": "record", "name": "trip", "fields": fields}
    (folder / "trip.avsc").write_text(json.dumps(schema))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("COLUMNS", "250")
        for name, value in stack.settings.environment().items():
            patch.setenv(name, value)
        client, project = warehouse(stack.settings), load_project("tuned_project")
        migrate(client)
        reader = consumer(stack.settings.kafka_bootstrap, "tuned")
        _ask_for_a_group(reader)
        reader.close()
        topics = [Topic(name) for name in (EXPERIMENTS, GATES, TRIALS)]
        create_topics(stack.settings.kafka_bootstrap, topics)
        source = project.source_plans["tuned_trips"]
        client.command(source_table(source))
        write_log(client, source, trips())
        held = registry(stack.settings)
        yield World(stack.settings, project, client, held)
        held.close()
        client.command("DROP TABLE tuned_trips")
        client.close()


def trips() -> list[LogRecord]:
    rng = np.random.default_rng(1)
    a = rng.normal(size=ROWS)
    late = rng.random(ROWS) < 1 / (1 + np.exp(-2 * a))
    records = []
    for n in range(ROWS):
        at = START + n * HOUR
        row = {"trip": f"t{n}", "line": "x", "due": at, "done": at, "late": bool(late[n]), "a": float(a[n])}
        records.append(LogRecord("tuned_trips", 0, n, at, row))
    return records


def told_of(world: World, topic: str, study: str) -> set[int]:
    """Give the trials of a study that the log has."""
    decode = codec(world.settings).decode
    reader = consumer(world.settings.kafka_bootstrap, "told", **{"auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    _, end = reader.get_watermark_offsets(TopicPartition(topic, 0), _PATIENCE_S)
    found = [decode(message.value() or b"") for message in reader.consume(end, _PATIENCE_S)]
    reader.close()
    return {record["trial"] for record in found if record["experiment_id"] == study}


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def trials(world: World, model_name: str = "tuned") -> tuple[str, list[Trial]]:
    """Give the newest study of a model, and its trials."""
    studies = world.registry.experiments.all(model_name=model_name, kind=ExperimentKind.TUNING)
    return (
        (studies[-1].experiment_id, world.registry.experiments.trials(studies[-1].experiment_id))
        if studies
        else ("", [])
    )


def test_an_interrupted_search_goes_on_and_the_next_training_starts_from_the_best(world: World) -> None:
    command = [sys.executable, "-m", "augury", "tune", "tuned_project", "tuned", "--trials", "100000"]
    command += ["--workers", "2"]
    tuning = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while not trials(world)[1]:
            assert tuning.poll() is None, tuning.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes = psutil.Process(tuning.pid).children(recursive=True)
        tuning.send_signal(signal.SIGINT)
        told, _ = tuning.communicate(timeout=_PATIENCE_S)
        assert not psutil.wait_procs(processes, _PATIENCE_S)[1]
    finally:
        tuning.kill()
    study, kept = trials(world)
    assert tuning.returncode == 130, told
    assert f"stopped: {len(kept)} trials of {study} are kept" in told
    assert "Traceback" not in told
    assert world.registry.training_config("tuned") is None

    budget = str(len(kept) + 2)
    done = run("tune", "tuned_project", "tuned", "--resume", "--trials", budget, "--workers", "2")
    assert done.exit_code == 0, done.output
    assert f"{study}: {budget} trials; the next training of tuned starts from" in done.output
    assert trials(world)[0] == study
    assert trials(world)[1][: len(kept)] == kept
    config = world.registry.training_config("tuned")
    assert config is not None
    assert config.provenance["study"] == study
    assert (
        next_recipe(collaborators(world.project, world.settings), "tuned").parameters
        == config.hyperparameters
    )
    shown = run("experiment", "show", study).output
    assert f"{study} (tuning)" in shown
    assert "gates" in shown
    assert all(f"{trial.value:.6f}" in shown for trial in trials(world)[1] if trial.value is not None)
    assert told_of(world, TRIALS, study) == set(range(int(budget)))
    again = run("experiment", "rerun", study)
    assert again.exit_code == 0, again.output
    assert f"losses of the {budget} of {budget} trials that have some: the same" in again.output


def test_workers_run_trials_at_once(world: World) -> None:
    done = run("tune", "tuned_project", "met", "--workers", "2")  # each trial's first fit waits for another's
    assert done.exit_code == 0, done.output
    assert [trial.state for trial in trials(world, "met")[1]] == [TrialState.COMPLETE] * 2


def test_an_experiment_runs_again_as_long_as_its_training_set_stands(world: World) -> None:
    context = collaborators(world.project, world.settings)
    dataset = context.dataset("tuned", HELD, START + ROWS * HOUR)
    assert isinstance(dataset, StoredDataset)
    found = train(dataset.read(), next_recipe(context, "tuned"))
    record(context, "tuned", HELD, dataset, found, export(found))
    done = run("experiment", "rerun", HELD)
    assert done.exit_code == 0, done.output
    assert "metrics: the same" in done.output
    assert "artifact: the same" in done.output
    (child,) = world.registry.experiments.all(parent=HELD)
    assert child.experiment_id in run("experiment", "show", HELD).output

    world.client.command(f"INSERT INTO {dataset.table} SELECT * FROM {dataset.table} LIMIT 1")
    changed = run("experiment", "rerun", HELD)
    assert changed.exit_code == 1
    assert f"{HELD}@1 had hash {dataset.content_hash} and has" in changed.output
    world.client.command(f"DROP TABLE {dataset.table}")
    gone = run("experiment", "rerun", HELD)
    assert gone.exit_code == 1
    assert f"the warehouse no longer holds {HELD}@1" in gone.output
    assert len(world.registry.experiments.all(parent=HELD)) == 1


def test_what_cannot_be_tuned_is_told(world: World) -> None:
    assert (
        "a model of the project states a search (tuned, met)" in run("tune", "tuned_project", "other").output
    )

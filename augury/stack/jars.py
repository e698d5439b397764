"""The stack's jars: fetched once by Maven, at the versions that pom.xml beside this file pins."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from augury.settings import Settings
from augury.stack.part import PartError

POM = Path(__file__).with_name("pom.xml")


def fetched(settings: Settings) -> bool:
    """Tell whether the jars folder holds what this pom.xml asks for."""
    stamp = settings.jars / "stamp"
    return stamp.is_file() and stamp.read_text() == _fingerprint()


def fetch(settings: Settings) -> None:
    """Fetch the jars into the jars folder; nothing is done where they are there. Raises PartError."""
    if fetched(settings):
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise PartError("the stack's jars come from Maven Central, and there is no mvn on the PATH")
    for old in ("kafka", "flink", "registry"):
        shutil.rmtree(settings.jars / old, ignore_errors=True)
    folder = settings.jars.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    command = [maven, "-B", "-ntp", "-q", "-f", str(POM), "package", f"-Djars={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PartError(f"Maven could not fetch the stack's jars:\n{(done.stdout + done.stderr)[-4000:]}")
    (folder / "stamp").write_text(_fingerprint())


def flink_jars(settings: Settings) -> list[Path]:
    """Return the jars that a Flink job needs: Kafka connector, Avro format, operator.

    Raises PartError where one is missing.
    """
    return [
        _only(settings.jars / "flink", "flink-sql-connector-kafka-*.jar"),
        _only(settings.jars / "flink", "flink-sql-avro-confluent-registry-*.jar"),
        _only(settings.operator_jar.parent, settings.operator_jar.name),
    ]


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise PartError(f"{folder} must hold one {pattern}, and holds {len(found)}: run `make jars operator`")
    return found[0].resolve()


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()

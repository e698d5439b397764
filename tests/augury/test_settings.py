import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from augury.serving import addresses
from augury.settings import LOOPBACK, Settings, free_ports
from augury.stack.services import services


def test_addresses_follow_from_the_ports_unless_they_are_set(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_port=7001, warehouse_url="https://clickhouse.internal:8443")
    assert settings.redis_url == "redis://127.0.0.1:7001/0"
    assert settings.warehouse_url == "https://clickhouse.internal:8443"
    assert settings.registry_url.endswith("/apis/ccompat/v7")
    assert settings.registry_database_url == f"sqlite:///{tmp_path}/registry.sqlite"


def test_variables_of_the_environment_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGURY_HOME", str(tmp_path))
    monkeypatch.setenv("AUGURY_FLINK_PORT", "7002")
    assert Settings().flink_url == "http://127.0.0.1:7002"
    assert Settings().artifacts_url == f"file://{tmp_path}/artifacts"


def test_the_home_folder_is_absolute_so_that_a_changed_directory_changes_nothing() -> None:
    assert Settings(home=Path("here")).home == Path.cwd() / "here"


def test_a_child_process_reads_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.with_free_ports(tmp_path, kafka_password="s3cret", state_backend="rocksdb")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        kafka_password="s3cret",
        redis_password="s3cret",
        warehouse_url="https://u:s3cret@c:8443",
        http_token="s3cret",
        redis_url="redis://:s3cret@r/0",
        registry_database_url="postgresql://u:s3cret@d/r",
    )
    assert "s3cret" not in repr(settings)
    for part in services(settings, "examples.flights"):
        assert "s3cret" not in repr(part)
        assert "s3cret" not in " ".join(part.command)
    assert "s3cret" not in repr(addresses(settings))


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="kafka_prot"):
        Settings(home=tmp_path, kafka_prot=1)


def test_the_embedded_log_needs_no_proof_and_a_cluster_gets_it(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).kafka_client() == {}
    secured = Settings(
        home=tmp_path, kafka_security_protocol="SASL_SSL", kafka_username="u", kafka_password="p"
    )
    assert secured.kafka_client() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }


def test_certificates_reach_both_kinds_of_clients(tmp_path: Path) -> None:
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text(f"-- {name}\n")
    settings = Settings(
        home=tmp_path,
        kafka_security_protocol="SSL",
        kafka_ca_file=tmp_path / "ca",
        kafka_certificate_file=tmp_path / "certificate",
        kafka_key_file=tmp_path / "key",
        kafka_key_password="p",
    )
    assert settings.kafka_client() == {
        "security.protocol": "SSL",
        "ssl.ca.location": f"{tmp_path}/ca",
        "ssl.certificate.location": f"{tmp_path}/certificate",
        "ssl.key.location": f"{tmp_path}/key",
        "ssl.key.password": "p",
    }
    assert settings.kafka_java_client() == {
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "-- ca\n",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "-- certificate\n",
        "ssl.keystore.key": "-- key\n",
        "ssl.key.password": "p",
    }
    assert Settings(**{k.removeprefix("AUGURY_").lower(): v for k, v in settings.environment().items()})
    plaintext = settings.model_copy(update={"kafka_security_protocol": "SASL_PLAINTEXT"})
    assert not any(
        name.startswith("ssl") for name in (*plaintext.kafka_client(), *plaintext.kafka_java_client())
    )


def test_free_ports_are_free_and_differ() -> None:
    found = free_ports(12)
    assert len(set(found)) == 12
    for port in found:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, port))


def test_a_port_is_given_once_while_the_one_who_has_it_lives() -> None:
    """Two runs beside each other once chose one port, minutes before either took it."""
    asked = "import sys; from augury.settings import free_ports; print(*free_ports(700), flush=True); input()"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        given = [set(run.stdout.readline().split()) for run in runs if run.stdout]
        mine = {str(port) for port in (*free_ports(350), *free_ports(350))}
        assert [len(each) for each in (*given, mine)] == [700] * 4
        assert len(mine.union(*given)) == 4 * 700
    finally:
        for run in runs:
            run.communicate("\n", timeout=30)
    assert [run.returncode for run in runs] == [0] * 3


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({"http_tls_cert": "c"}, "a certificate comes with its key"),
        ({"http_tls_key": "k"}, "a certificate comes with its key"),
        ({"http_tls_client_ca": "a"}, "http_tls_client_ca needs http_tls_cert"),
        ({"redis_ca_file": "a"}, "redis_ca_file needs a URL of rediss://"),
        (
            {"warehouse_ca_file": "a", "warehouse_url": "http://c:8123"},
            "warehouse_ca_file needs a URL of https",
        ),
        ({"tick_ms": -1}, "greater than 0"),
        ({"kafka_prot": 1}, "kafka_prot"),
    ],
)
def test_what_is_refused_shows_no_credential_beside_it(
    tmp_path: Path, stated: dict[str, object], rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule) as refused:
        Settings(home=tmp_path, **stated, redis_password="s3cret", kafka_password="s3cret")  # type: ignore[arg-type]
    assert "s3cret" not in str(refused.value)


def test_a_client_of_redis_gets_what_is_stated(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).redis_client() == {}
    closed = Settings(
        home=tmp_path,
        redis_url="rediss://r:6379/0",
        redis_username="u",
        redis_password="p",
        redis_ca_file="ca.pem",
    )
    ca = str(Path("ca.pem").resolve())
    assert closed.redis_client() == {"username": "u", "password": "p", "ssl_ca_certs": ca}


def test_files_are_absolute_so_that_a_changed_directory_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, http_tokens_file="t.json", http_tls_cert="c.pem", http_tls_key="k.pem")
    assert settings.http_tokens_file == Path("t.json").resolve()
    assert settings.environment()["AUGURY_HTTP_TLS_CERT"] == str(Path("c.pem").resolve())

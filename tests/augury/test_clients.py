"""Servers that ask who comes, and show who they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from augury.clients import online_store, warehouse
from augury.settings import ROOT, Settings
from augury.stack import Stack
from tests.test_documents import blocks
from tests.tls import Certificate, certificate, fronted

PASSWORD = "s3cret"

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("own"), "own")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture
def redis_port(stack: Stack, own: Certificate) -> Iterator[int]:
    """The stack's Redis behind TLS, with the user of the documents."""
    (told,) = blocks(ROOT / "docs" / "operations.md", "redis")
    with Redis.from_url(stack.settings.redis_url) as admin, fronted(stack.settings.redis_port, own) as port:
        admin.execute_command(*told.replace("PASSWORD", PASSWORD).split())
        yield port
        admin.acl_deluser("augury")


def test_redis_by_tls_and_acl(redis_port: int, own: Certificate, tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:{redis_port}/0"
    named = Settings(
        home=tmp_path, redis_url=url, redis_username="augury", redis_password=PASSWORD, redis_ca_file=own.cert
    )
    in_the_url = Settings(
        home=tmp_path,
        redis_url=url.replace("//", f"//augury:{PASSWORD}@"),
        redis_username="nobody",
        redis_ca_file=own.cert,
    )
    for settings in (named, in_the_url):
        with online_store(settings) as store:
            store.hset("augury:tls@floors", "one", 1)
            assert store.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "augury:tls", "1") == b"OK"
            assert store.mget("augury:tls", "augury:none") == [b"1", None]
            assert store.delete("augury:tls", "augury:tls@floors") == 2
            for refused in (lambda: store.get("else"), store.flushall):
                with pytest.raises(NoPermissionError):
                    refused()
            assert PASSWORD not in repr(store)


def test_redis_with_a_wrong_password_or_authority_is_no_redis(
    redis_port: int, own: Certificate, other: Certificate, tmp_path: Path
) -> None:
    url = f"rediss://127.0.0.1:{redis_port}/0"
    wrong = Settings(
        home=tmp_path, redis_url=url, redis_username="augury", redis_password="wr0ng", redis_ca_file=own.cert
    )
    with online_store(wrong) as store, pytest.raises(AuthenticationError) as refused:
        store.ping()
    assert "wr0ng" not in str(refused.value)
    for authority in (other.cert, None):
        stranger = Settings(home=tmp_path, redis_url=url, redis_ca_file=authority)
        with (
            online_store(stranger) as store,
            pytest.raises(RedisError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            store.ping()


def test_the_warehouse_by_tls(stack: Stack, own: Certificate, other: Certificate, tmp_path: Path) -> None:
    with fronted(stack.settings.warehouse_port, own) as port:
        url = f"https://127.0.0.1:{port}"
        client = warehouse(Settings(home=tmp_path, warehouse_url=url, warehouse_ca_file=own.cert))
        assert client.query("SELECT 1").result_rows == [(1,)]
        client.close()
        with_password = url.replace("//", f"//user:{PASSWORD}@")
        for authority in (other.cert, None):
            stranger = Settings(home=tmp_path, warehouse_url=with_password, warehouse_ca_file=authority)
            with pytest.raises(Exception, match="nothing answers") as refused:
                warehouse(stranger)
            assert PASSWORD not in str(refused.value)
            assert f"https://127.0.0.1:{port}" in str(refused.value)

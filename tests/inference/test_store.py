import socket

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from inference.store import OnlineStore


def test_a_multi_get_is_the_clients(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set("a", b"\x001")
        store = OnlineStore(Redis.from_url(redis_url))
        assert store.mget(["a", "nowhere", "a"]) == client.mget(["a", "nowhere", "a"])
        store.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="the system acknowledges as it likes")
def test_a_long_answer_does_not_wait_for_acknowledgements(redis_url: str) -> None:
    store = OnlineStore(Redis.from_url(redis_url))
    for _ in range(3):  # it does not last, so that each multi-get asks anew
        store.mget(["nowhere"])
        link = store._connection._sock
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
    store.close()


def test_a_connection_that_the_server_closed_is_opened_anew(redis_url: str) -> None:
    store = OnlineStore(Redis.from_url(redis_url))
    with Redis.from_url(redis_url) as client:
        assert store.mget(["nowhere"]) == [None]
        for other in client.client_list():
            if int(other["id"]) != client.client_id():
                client.client_kill_filter(_id=other["id"])
        assert store.mget(["nowhere"]) == [None]
    store.close()


def test_a_store_that_is_down_is_not_asked_at_once_again() -> None:
    store = OnlineStore(Redis(port=1))
    with pytest.raises(RedisConnectionError, match="refused"):
        store.mget(["a"])
    with pytest.raises(RedisConnectionError, match="the next try is in"):
        store.mget(["a"])
    store.close()

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.delivery import Outgoing
from inference.spool import Position, Spool, SpoolError, SpoolFullError

RECORD = st.builds(
    Outgoing,
    st.sampled_from(["a", "prediction.results"]),
    st.binary(),
    st.binary(max_size=300),
    st.sampled_from(["", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
)


def all_of(spool: Spool, position: Position | None = None, limit: int = 7) -> tuple[list[Outgoing], Position]:
    found, position = [], position or spool.position()
    while True:
        records, after = spool.read(position, limit)
        if after == position:
            return found, position
        found += records
        position = after


@given(batches=st.lists(st.lists(RECORD, min_size=1, max_size=5), max_size=12), size=st.integers(1, 500))
def test_records_come_back_in_order_over_segments(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Outgoing]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    with Spool(folder, segment_bytes=size) as spool:
        for batch in batches:
            spool.append(batch)
        assert all_of(spool)[0] == [record for batch in batches for record in batch]


@given(cut=st.integers(min_value=1), garbage=st.binary(max_size=60))
def test_a_torn_end_loses_only_itself(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    whole, torn, later = (Outgoing("t", b"k", name) for name in (b"whole", b"torn", b"later"))
    with Spool(folder) as spool:
        spool.append([whole])
        size = next(folder.glob("*.spool")).stat().st_size
        spool.append([torn])
        path = next(folder.glob("*.spool"))
    os.truncate(path, size + cut % (path.stat().st_size - size))
    with path.open("ab") as file:
        file.write(garbage)
    with Spool(folder) as spool:
        spool.append([later])
        assert all_of(spool)[0] == [whole, later]


def test_what_is_shipped_is_deleted_and_not_given_again(tmp_path: Path) -> None:
    records = [Outgoing("t", b"", bytes([n])) for n in range(10)]
    with Spool(tmp_path, segment_bytes=1) as spool:
        for record in records:
            spool.append([record])
        first, after = spool.read(Position(spool.segments()[3], 0), 1)
        assert first == [records[3]]
        spool.ship(after, 4)
        assert len(spool.segments()) == 7
        assert spool.depth()[1] == 6
    with Spool(tmp_path) as spool:
        assert all_of(spool)[0] == records[4:]


def test_the_depth_is_what_is_not_shipped(tmp_path: Path) -> None:
    records = [Outgoing("t", b"k", bytes(n)) for n in range(10)]
    with Spool(tmp_path, segment_bytes=60) as spool:
        assert spool.depth() == (0, 0)
        spool.append(records)
        size, count = spool.depth()
        assert (size, count) == (sum(path.stat().st_size for path in tmp_path.glob("*.spool")), 10)
        read, after = spool.read(spool.position(), 3)
        spool.ship(after, len(read))
        assert spool.depth() == (size - after.offset, 7)
    with Spool(tmp_path, segment_bytes=60) as spool:  # what an earlier process left counts too
        assert spool.depth() == (size - after.offset, 7)
        left, end = all_of(spool)
        spool.ship(end, len(left))
        assert spool.depth() == (0, 0)


def test_what_waits_is_bounded_and_shipping_makes_room(tmp_path: Path) -> None:
    record = Outgoing("t", b"k", bytes(100))
    with Spool(tmp_path / "one") as probe:
        probe.append([record])
        size = probe.depth()[0]
    with Spool(tmp_path / "spool", segment_bytes=2 * size, most_bytes=5 * size) as spool:
        for _ in range(5):
            spool.append([record])
        with pytest.raises(
            SpoolFullError, match=f"of {5 * size} bytes that may wait for Kafka, {5 * size} do"
        ):
            spool.append([record])
        assert spool.depth() == (5 * size, 5)
        read, after = spool.read(spool.position(), 1)
        spool.ship(after, len(read))
        with pytest.raises(SpoolFullError):  # all or none
            spool.append([record, record])
        spool.append([record])
        assert len(all_of(spool)[0]) == 5
    with Spool(tmp_path / "spool", most_bytes=5 * size) as spool:  # what an earlier process left counts too
        with pytest.raises(SpoolFullError):
            spool.append([record])
        left, end = all_of(spool)
        spool.ship(end, len(left))
        spool.append([record])


def test_one_process_owns_a_spool(tmp_path: Path) -> None:
    with Spool(tmp_path), pytest.raises(SpoolError, match="another process holds"):
        Spool(tmp_path)


def test_a_record_longer_than_a_chunk(tmp_path: Path) -> None:
    records = [Outgoing("t", b"k", bytes(5 << 20)), Outgoing("t", b"k", b"after")]
    with Spool(tmp_path) as spool:
        spool.append(records)
        assert all_of(spool)[0] == records


WRITER = """
import sys
from pathlib import Path
from inference.delivery import Outgoing
from inference.spool import Spool
spool = Spool(Path(sys.argv[1]), segment_bytes=20_000)
n = 0
while True:
    spool.append([Outgoing("t", b"k", b"%d" % n + bytes(n % 50))])
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
    n += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 137, 3_000])
def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    seen = [int(writer.stdout.readline()) for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    seen += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.stdout.close()
    writer.wait()
    with Spool(tmp_path) as spool:
        values = [int(record.value.rstrip(b"\0")) for record in all_of(spool, limit=100)[0]]
    assert values[: len(seen)] == seen
    assert len(values) - len(seen) <= 1


def test_a_failed_append_does_not_hide_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, lost, later = (Outgoing("t", b"k", name) for name in (b"whole", b"lost", b"later"))
    write = os.write
    with Spool(tmp_path) as spool:
        spool.append([whole])
        with monkeypatch.context() as disk:  # full, and what it took cannot be taken back
            disk.setattr(os, "write", lambda file, data: write(file, data[:-2]))
            disk.setattr(os, "ftruncate", lambda *_: os.close(-1))
            with pytest.raises(SpoolError, match="spooled whole"):
                spool.append([lost])
        spool.append([later])
        assert all_of(spool)[0] == [whole, later]

from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from inference.files import BatchError, BatchFiles

TABLE = pa.table(
    {
        "carrier": ["AA", None, "UA"],
        "plane": pa.array([1, 2, 3], pa.int32()),
        "at": pa.array([1_000_000, 2_000_000, None], pa.timestamp("us")),
        "distance": [1.5, None, 2.0],
    }
)
ROWS = [
    {"entity_keys": {"carrier": "AA", "plane": "1"}, "inputs": {"at": 1_000, "distance": 1.5}},
    {"entity_keys": {"plane": "2"}, "inputs": {"at": 2_000, "distance": None}},
    {"entity_keys": {"carrier": "UA", "plane": "3"}, "inputs": {"at": None, "distance": 2.0}},
]


@pytest.mark.parametrize("name", ["flights.parquet", "flights.arrow"])
@pytest.mark.parametrize("start", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_file_is_read_from_any_row_on(tmp_path: Path, name: str, start: int, size: int) -> None:
    local = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(TABLE, local, row_group_size=2)
    else:
        pyarrow.feather.write_feather(TABLE, str(local))
    files = BatchFiles(f"file://{tmp_path}/batches")
    uri = files.put(local, "b")
    assert files.columns(uri) == TABLE.column_names
    total, slices = files.rows(uri, ["carrier", "plane"], start, size)
    found = list(slices)
    assert total == 3
    assert [row for rows in found for row in rows] == ROWS[start:]
    assert max(map(len, found), default=0) <= size


def test_only_files_below_the_root_are_read(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "secret.parquet")
    (tmp_path / "batches").mkdir()
    files = BatchFiles(f"file://{tmp_path}/batches")
    for uri in (
        f"file://{tmp_path}/secret.parquet",
        f"file://{tmp_path}/batches/../secret.parquet",
        f"{tmp_path}/batches/../secret.parquet",
        f"file://{tmp_path}/batches",
        "memory://secret.parquet",
        f"simplecache::file://{tmp_path}/secret.parquet",
        "nowhere://x",
    ):
        with pytest.raises(BatchError):
            files.columns(uri)


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    files = BatchFiles(f"file://{tmp_path}")
    with pytest.raises(BatchError, match=r"none\.parquet"):
        files.rows(f"file://{tmp_path}/none.parquet", [], 0, 10)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BatchError, match=r"torn\.parquet cannot be read"):
        files.rows(f"file://{tmp_path}/torn.parquet", [], 0, 10)
    pq.write_table(TABLE, tmp_path / "t.parquet")
    with pytest.raises(BatchError, match=r"has no route \(it has carrier, plane, at, distance\)"):
        files.rows(f"file://{tmp_path}/t.parquet", ["route"], 0, 10)
    pq.write_table(pa.table({"carrier": [[1]]}), tmp_path / "list.parquet")
    with pytest.raises(BatchError, match="keys of text or whole numbers"):
        list(files.rows(f"file://{tmp_path}/list.parquet", ["carrier"], 0, 10).slices)

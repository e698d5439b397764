import gzip
import zlib

import lz4.frame
import pytest
from backports import zstd

from warehouse.door.compression import COMPRESSORS, Decoder, accepted
from warehouse.door.errors import DoorError

DATA = b"".join(b"row %d\n" % i for i in range(20_000))
WHOLE = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress, "lz4": lz4.frame.compress}


@pytest.mark.parametrize("name", WHOLE)
def test_a_body_is_decoded_in_pieces_and_over_frames(name: str) -> None:
    wire = WHOLE[name](DATA) + WHOLE[name](b"more")
    decoder = Decoder(name)
    plain = b"".join(decoder.decode(wire[i : i + 777]) for i in range(0, len(wire), 777))
    decoder.end()
    assert plain == DATA + b"more"


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_body_is_refused(name: str) -> None:
    decoder = Decoder(name)
    decoder.decode(WHOLE[name](DATA)[:-20])
    with pytest.raises(DoorError, match="ends within a frame"):
        decoder.end()


@pytest.mark.parametrize("name", WHOLE)
def test_another_encoding_is_refused(name: str) -> None:
    with pytest.raises(DoorError, match="as stated"):
        Decoder(name).decode(b"this is plain text, and no frame of any kind")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(DoorError, match="'br' cannot be read"):
        Decoder("br")


@pytest.mark.parametrize("name", COMPRESSORS)
def test_an_answer_in_pieces_is_one_stream(name: str) -> None:
    compressor = COMPRESSORS[name]()
    pieces = [compressor.piece(DATA), compressor.piece(b"more"), compressor.end()]
    assert all(pieces[:2])
    decoder = Decoder(name)
    assert b"".join(decoder.decode(piece) for piece in pieces) == DATA + b"more"
    decoder.end()


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0", "gzip"),
        ("br", None),
        ("", None),
    ],
)
def test_accept_encoding(header: str, chosen: str | None) -> None:
    assert accepted(header) == chosen

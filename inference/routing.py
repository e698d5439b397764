"""Which variant answers a request: by a hash of its entity, so that an entity stays with its variant."""

import hashlib
import re
from collections.abc import Mapping

_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\|", "=": "\\="})
_escaped = re.compile(r"[\\|=]").search


def entity_text(entity_keys: Mapping[str, str]) -> str:
    """Spell the entity keys as one text that does not depend on their order."""
    pairs = sorted(entity_keys.items()) if len(entity_keys) > 1 else entity_keys.items()
    return "|".join([f"{_plain(name)}={_plain(key)}" for name, key in pairs])


def deduplication_key(entity_keys: Mapping[str, str], model_name: str, request_id: str) -> str:
    """Give the identity of an answer: entity, model and request; an answer given twice has it twice."""
    return f"{entity_text(entity_keys)}|{_plain(model_name)}|{_plain(request_id)}"


def _plain(text: str) -> str:
    return text.translate(_ESCAPES) if _escaped(text) else text


def takes_challenger(model_name: str, version: int, unit: str, share: float) -> bool:
    """Decide whether `unit` (an entity's text) belongs to the `share` (0 to 1) of the challenger `version`.

    The decision is the same everywhere and for ever; a larger share keeps those that a smaller one had. Each
    version draws anew, or an unlucky draw would be every trial's.
    """
    digest = hashlib.blake2b(
        unit.encode(), digest_size=8, key=model_name.encode()[:64], salt=version.to_bytes(8, "little")
    ).digest()
    return int.from_bytes(digest, "little") < share * 2.0**64

"""Where model files live, each under the SHA-256 of its content."""

import hashlib

import fsspec


class ArtifactMismatchError(ValueError):
    """A stored file is not the one that was registered."""


class ArtifactStore:
    """Files under `root_url`: a local folder, or any URL that fsspec opens (`s3://…`, `gs://…`)."""

    def __init__(self, root_url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(root_url)

    def put(self, model_name: str, payload: bytes) -> tuple[str, str]:
        """Store a file and give its URI and SHA-256; the same content is stored once."""
        sha256 = hashlib.sha256(payload).hexdigest()
        path = f"{self._root}/{model_name}/{sha256}"
        if not self._files.exists(path):
            self._files.makedirs(f"{self._root}/{model_name}", exist_ok=True)
            part = f"{path}.part"
            self._files.pipe_file(part, payload)
            self._files.mv(part, path)  # a reader sees a whole file or none
        return self._files.unstrip_protocol(path), sha256

    def get(self, uri: str, sha256: str) -> bytes:
        """Read a file; raises `ArtifactMismatchError` unless its SHA-256 is `sha256`, `FileNotFoundError`."""
        payload: bytes = self._files.cat_file(fsspec.core.url_to_fs(uri)[1])
        found = hashlib.sha256(payload).hexdigest()
        if found != sha256:
            raise ArtifactMismatchError(
                f"a model is loaded only when its SHA-256 is the registered one ({sha256}); "
                f"{uri} has {found} and was not loaded"
            )
        return payload


def named_sha256(uri: str) -> str:
    """Give the SHA-256 that a URI of a store names: the last part of the path."""
    return uri.rpartition("/")[2]

"""The calls of the Open Inference Protocol, whatever their wire: to the door's queue, and to its models."""

from inference.door import Door
from inference.jobs import CHAMPION, named
from inference.models import LoadedModel, Models
from inference.records import RequestError
from inference.tensors import (
    Call,
    InferResponse,
    ModelMetadata,
    metadata_of,
    requests_of,
    response_of,
    version_of,
)


class Calls:
    """Answers what is asked of a model by its name and a version's text, empty for the champion."""

    def __init__(self, door: Door, models: Models) -> None:
        self._door = door
        self._models = models

    def model(self, name: str, version: str) -> LoadedModel:
        """Give what would answer; loads it where need be. Raises `RequestError` and `OutageError`."""
        number = version_of(version)
        if number is not None:
            return self._models.version(name, number)
        return named(CHAMPION, name, self._models.variants(name))

    def metadata(self, name: str, version: str) -> ModelMetadata:
        """Describe what would answer; raises as `model`."""
        model = self.model(name, version)
        served = self._models.variants(name).served
        return metadata_of(model, {model.version} | {each.version for each in served if each is not None})

    async def infer(
        self, call: Call, name: str, version: str, received: int, trace: str
    ) -> InferResponse | RequestError:
        """Answer a call that came at `received` (ms), or tell why one of its rows has no answer.

        Raises what `Door.answer` does.
        """
        answers = await self._door.answer(requests_of(call, name, version_of(version)), received, trace)
        for result, kind, _ in answers:
            if kind is not None:  # which is logged and counted already
                return RequestError(kind, result.error or "")
        return response_of(call, [answer.result for answer in answers])

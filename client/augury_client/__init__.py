"""The client of Augury: predictions by HTTP, and by Kafka in `augury_client.kafka`."""

from augury_client.errors import (
    AuguryError,
    FaultError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PredictionError,
    ProblemError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from augury_client.http import AsyncClient, Client
from augury_client.records import Explanation, Latency, ModelInfo, Prediction, Request, Row
from augury_client.retry import Retry

__all__ = [
    "AsyncClient",
    "AuguryError",
    "Client",
    "Explanation",
    "FaultError",
    "ForbiddenError",
    "InvalidRequestError",
    "Latency",
    "ModelInfo",
    "NotFoundError",
    "Prediction",
    "PredictionError",
    "ProblemError",
    "Request",
    "Retry",
    "Row",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
]

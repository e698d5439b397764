"""The logs of a service: one line an event, as text or as JSON, without secrets; of a command, none."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from augury.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_CONTEXT = ("request_id", "trace_id")
_HIDDEN = "***"
_CLIENTS = ("clickhouse_connect", "urllib3")


def start_logging(settings: Settings, service: str) -> None:
    """Send this process's log to stderr, in the form that the settings name."""
    secrets = settings.secrets()
    handler = logging.StreamHandler()
    text = settings.log_format == "text"
    handler.setFormatter(TextFormatter(secrets) if text else JsonFormatter(service, secrets))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def quiet_clients() -> None:
    """Keep what clients of servers log off a command's stderr: the command itself says what has failed."""
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_no_interruption)


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Tell whether a record is another than that of py4j, which logs an interruption with its traceback."""
    return record.module != "java_gateway"


class TextFormatter(logging.Formatter):
    """Lines for people. `secrets` never appear in them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(_TEXT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, a traceback behind it."""
        return _hidden(super().format(record), self._secrets)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts (ISO 8601, UTC), level, logger, message, service.

    A record that was logged with `extra` of `request_id` or `trace_id` has these too, one of an exception
    `error`, its traceback. `secrets` never appear.
    """

    def __init__(self, service: str, secrets: Sequence[str]) -> None:
        super().__init__()
        self._service = service
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
        }
        line |= {name: str(getattr(record, name)) for name in _CONTEXT if getattr(record, name, None)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        plain = {name: _hidden(value, self._secrets) for name, value in line.items()}
        return json.dumps(plain, ensure_ascii=False)


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text

"""Logs as one JSON object a line on stdout, which is what the log driver collects."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from backend.settings import SERVICE

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """Every record with service, version and environment, and whatever `extra` carries."""

    def __init__(self, version: str, environment: str) -> None:
        super().__init__()
        self._always = {"service": SERVICE, "version": version, "environment": environment}

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def to_stdout(version: str, environment: str) -> None:
    """From now on every logger of the process writes JSON lines to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(version, environment))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # warns at each attempt; readiness says it once

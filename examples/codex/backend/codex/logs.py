"""Log lines: JSON for machines, colours for people."""

import json
import logging

from .settings import settings

COLOURS = {"DEBUG": 36, "INFO": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 35}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class ColouredFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        colour = COLOURS.get(record.levelname, 0)
        return f"\x1b[{colour}m{record.levelname:<8}\x1b[0m {record.name}: {super().format(record)}"


def set_up() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else ColouredFormatter("%(message)s"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    # Every reload of the watcher would be a line of noise.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)

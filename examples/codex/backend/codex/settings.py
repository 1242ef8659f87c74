"""Settings, from the environment alone."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    debug: bool
    log_level: str
    log_format: str
    secret_key: str
    database: Path
    plugins: Path


def load() -> Settings:
    """Reads the environment; a missing SECRET_KEY is an error at start, not at the first request."""
    secret = os.environ.get("SECRET_KEY", "")
    if not secret:
        raise SystemExit("codex: SECRET_KEY is not set")
    log_format = os.environ.get("LOG_FORMAT", "json")
    if log_format not in ("json", "colored"):
        raise SystemExit(f"codex: LOG_FORMAT must be json or colored, not {log_format!r}")
    return Settings(
        debug=os.environ.get("DEBUG", "false").lower() in ("1", "true", "yes"),
        log_level=os.environ.get("LOG_LEVEL", "INFO").upper(),
        log_format=log_format,
        secret_key=secret,
        database=Path(os.environ.get("DATABASE", "/app/data/codex.db")),
        plugins=Path(os.environ.get("PLUGINS_DIR", "/app/plugins")),
    )


settings = load()

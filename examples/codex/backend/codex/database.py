"""The SQLite database and its sessions."""

from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from .settings import settings

settings.database.parent.mkdir(parents=True, exist_ok=True)
engine = create_engine(f"sqlite:///{settings.database}", connect_args={"check_same_thread": False})


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened

"""The application. `python -m codex.main` serves it; development runs it under `uvicorn --reload`."""

import logging

from fastapi import FastAPI

from . import logs
from .notes import router
from .settings import settings

logs.set_up()
log = logging.getLogger("codex")
app = FastAPI(title="Codex", debug=settings.debug)
app.include_router(router)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/api/plugins")
def plugins() -> list[str]:
    """The folders below the plugin directory."""
    if not settings.plugins.is_dir():
        return []
    return sorted(path.name for path in settings.plugins.iterdir() if path.is_dir())


def main() -> None:
    import uvicorn

    log.info("serving on port 8000")
    uvicorn.run(app, host="0.0.0.0", port=8000, log_config=None)


if __name__ == "__main__":
    main()

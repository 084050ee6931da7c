"""The application: /api, and at the root what the platform asks for."""

from __future__ import annotations

from http import HTTPStatus

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis import RedisError
from starlette.exceptions import HTTPException

from backend.api import Services, Using, router, version
from backend.settings import SERVICE


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as RFC 9457 problem details."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, "application/problem+json")


async def refused(_request: Request, error: Exception) -> Response:
    """What an endpoint refused on purpose."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def invalid(_request: Request, error: Exception) -> Response:
    """Input that does not fit: names each field, never repeats what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    return problem(422, "; ".join(wrong))


async def dependency_away(_request: Request, error: Exception) -> Response:
    """The database or Redis did not answer: the same request may succeed shortly."""
    which = "database" if isinstance(error, psycopg.Error) else "session store"
    return problem(503, f"the {which} does not answer; try again shortly", {"Retry-After": "2"})


async def unexpected(_request: Request, _error: Exception) -> Response:
    """A defect of ours: told without its inside, which is in the log."""
    return problem(500, "an unexpected error; it was logged")


async def live() -> dict[str, str]:
    """The process answers; says nothing of what it depends on (async: needs no worker thread)."""
    return {"status": "live"}


async def ready(using: Using) -> JSONResponse:
    """200 when the process should get traffic, else 503 and why not."""
    reasons = using.monitor.not_ready()
    body = {"ready": not reasons, "not_ready": reasons, "service": SERVICE, "version": using.version}
    return JSONResponse(body, 503 if reasons else 200, {"Cache-Control": "no-store"})


async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def create_app(services: Services) -> FastAPI:
    """The application over these services."""
    app = FastAPI(
        title="Verificadores",
        version=services.version,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.include_router(router)
    app.get("/version", include_in_schema=False)(version)
    app.get("/health/live", include_in_schema=False)(live)
    app.get("/health/ready", include_in_schema=False)(ready)
    app.get("/metrics", include_in_schema=False)(metrics)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(psycopg.OperationalError, dependency_away)
    app.add_exception_handler(RedisError, dependency_away)
    app.add_exception_handler(Exception, unexpected)
    return app

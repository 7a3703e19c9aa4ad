"""Errors as problem documents (RFC 9457), the same story as the command line tells, never internals."""

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaign.domain.errors import (
    BadInput,
    CampaignError,
    DatabaseUnavailable,
    NotFound,
    NotSignedIn,
    SchemaMismatch,
    Unavailable,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:calling-campaign:problem:"
RETRY_SECONDS = 5


class Problem(BaseModel):
    """What went wrong (RFC 9457). Further members carry facts for programs."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[TYPE + "not-found"], description="identifies the kind of problem")
    title: str = Field(examples=["Not Found"], description="the kind in words")
    status: int = Field(examples=[404], description="the HTTP status")
    detail: str = Field(examples=["There is no campaign 7."], description="what happened and where")
    do: str = Field(
        default="", examples=["GET /api/v1/campaigns lists them."], description="what to do about it"
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem responses for a route's OpenAPI: these statuses and those that every route may give."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 401, 403, 422, 503})
    }


def problem(
    status: int,
    slug: str,
    detail: str,
    do: str = "",
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> JSONResponse:
    """One problem document as a response."""
    body = {
        **members,
        "type": TYPE + slug,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "do": do,
    }
    return JSONResponse(jsonable_encoder(body), status, dict(headers or {}), MEDIA_TYPE)


def of_error(error: CampaignError) -> JSONResponse:
    """The problem document of one of our own errors."""
    error = _public(error)
    headers = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="campaign"'
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_SECONDS)
    return problem(error.status, error.slug, error.what, error.do, headers, **error.data)


def install(
    app: FastAPI,
    *,
    wants_page: Callable[[Request], bool],
    error_page: Callable[[Request, CampaignError], Response],
) -> None:
    """Make every fault of the app's routes a problem document, or a page for whom looks at pages."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CampaignError)
        return error_page(request, _public(error)) if wants_page(request) else of_error(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # The value itself is left out: it may be a phone number or a secret.
        faults = [{"where": _where(fault["loc"]), "why": str(fault["msg"])} for fault in error.errors()]
        said = "; ".join(f"{fault['where']}: {fault['why']}" for fault in faults[:5])
        if wants_page(request):
            return error_page(request, BadInput(f"This cannot be used: {said}.", "Go back and mend it."))
        return problem(422, "bad-input", f"The request cannot be used: {said}.", faults=faults)

    async def by_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if wants_page(request):
            return error_page(request, _by_status(error.status_code, str(error.detail)))
        if error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase:  # no route has it
            said = f"There is nothing at {request.url.path}."
            return problem(404, "not-found", said, "GET /openapi.json describes every address.")
        return problem(
            error.status_code, _SLUGS.get(error.status_code, "http"), str(error.detail), headers=error.headers
        )

    async def caller_gone(request: Request, _: Exception) -> JSONResponse:
        # Nobody hears this answer: callers may hang up in mid-request, which is no fault of ours.
        log.info("caller_gone", method=request.method, path=_told(request.url.path))
        return problem(400, "bad-input", "The caller left before the request had come.")

    app.add_exception_handler(ClientDisconnect, caller_gone)
    app.add_exception_handler(CampaignError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, by_status)


def _public(error: CampaignError) -> CampaignError:
    """An error as strangers may hear it."""
    if isinstance(error, DatabaseUnavailable | SchemaMismatch):
        # Also strangers may come so far, and the sentence names the database's host.
        log.warning("database_unavailable", error=error.what)
        return Unavailable("The database can't be used now.", "Ask again; the service's log tells more.")
    return error


def _by_status(status: int, detail: str) -> CampaignError:
    """What the web framework itself refuses, as an error of ours."""
    if status == HTTPStatus.NOT_FOUND:
        return NotFound("There is no such page.", "The navigation leads to all pages.")
    error = BadInput(f"This can't be done: {detail}.", "Go back and try again.")
    error.status = status
    return error


_SLUGS = {400: "bad-input", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def _where(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path)


def _told(path: str) -> str:
    """A path as the log may have it: without the secret of a one-time link."""
    return _LINK + "…" if path.startswith(_LINK) else path


_LINK = "/console/welcome/"


class LastResort:
    """ASGI: whatever else is raised becomes a 500 with a number to find it in the log by, and no more.

    Also gives every HTTP answer the headers that keep browsers from guessing and caching.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                names = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _ALWAYS if name not in names),
                ]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:  # the edge of the loop: one request's bug must not end anything else
            number = secrets.token_hex(6)
            log.exception("request failed", number=number, method=scope["method"], path=_told(scope["path"]))
            if begun:
                raise
            answer = problem(
                500,
                "internal",
                "Something failed inside the service.",
                f"Its log tells more under number {number}.",
                number=number,
            )
            await answer(scope, receive, sending)


_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

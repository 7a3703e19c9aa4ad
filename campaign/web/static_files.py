"""`/static/…`: our style sheet and scripts, and the few third-party ones that set-up has brought in.

All of them are read at start, kept with a compressed copy, and named with their content's hash: browsers
keep them for a year and never ask twice. Nothing of the file system can be asked for.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from campaign.domain.errors import NotFound

router = APIRouter(include_in_schema=False)

FOLDERS = ("static", "vendor")
"""Ours; and other people's, which .ci/front_end.py brings in and the wheel carries."""
NEEDED = ("console.css", "console.js", "htmx.min.js", "hx-sse.min.js", "uPlot.iife.min.js", "uPlot.min.css")
YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    body: bytes
    compressed: bytes
    kind: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Name → file, of all there are."""
    found: dict[str, File] = {}
    for folder in FOLDERS:
        place = resources.files("campaign.web") / folder
        if place.is_dir():
            for entry in place.iterdir():
                if entry.is_file() and not entry.name.startswith((".", "LICENSE")):
                    found[entry.name] = _file(entry)
    return found


def missing() -> list[str]:
    """Files that pages need and that are not there: set-up has not run."""
    return [name for name in NEEDED if name not in files()]


def _file(entry: Traversable) -> File:
    body = entry.read_bytes()
    kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith(("javascript", "svg+xml")):
        kind += "; charset=utf-8"
    return File(body, gzip.compress(body, 9, mtime=0), kind, hashlib.sha256(body).hexdigest()[:16])


def address(name: str) -> str:
    """Where a page finds a file; its content's hash makes a new version a new address."""
    file = files().get(name)
    return f"/static/{name}?v={file.tag}" if file else f"/static/{name}"


@router.get("/static/{name:path}")
async def static_file(request: Request, name: str) -> Response:
    """A file by its name."""
    file = files().get(name)
    if file is None:
        raise NotFound(f"There is no file {name[:100]!r}.")
    headers = {
        "Cache-Control": YEAR if request.query_params.get("v") == file.tag else "no-cache",
        "ETag": f'"{file.tag}"',
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.compressed, headers=headers, media_type=file.kind)
    return Response(file.body, headers=headers, media_type=file.kind)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Browsers ask for it unasked."""
    file = files().get("icon.svg")
    if file is None:
        raise NotFound("There is no icon.")
    return Response(file.body, headers={"Cache-Control": "public, max-age=86400"}, media_type=file.kind)

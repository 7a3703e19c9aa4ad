"""Errors as pages: the same sentences as everywhere, where a person looks at them."""

from http import HTTPStatus

from fastapi import Request, Response

from campaign.domain.errors import CampaignError, NotSignedIn
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import page, to_sign_in, viewer_of
from campaign.wiring import Services


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer: all below /console, and what a browser asks for by mistake."""
    path = request.url.path
    return path == CONSOLE or path.startswith(CONSOLE + "/")


def error_page(request: Request, error: CampaignError) -> Response:
    """An error as a page, or the way to the sign-in. An htmx request gets its line for the page it is on."""
    services: Services = request.app.state.services
    if isinstance(error, NotSignedIn):
        return to_sign_in(request)
    template = "error_part.html" if "hx-request" in request.headers else "error.html"
    return page(
        request,
        viewer_of(request, services),
        template,
        error.status,
        error=error,
        title=HTTPStatus(error.status).phrase,
    )

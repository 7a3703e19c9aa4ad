"""Requests of every shape that the description allows, and many that it doesn't: never a fault of ours."""

import contextlib
import warnings
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from campaign.store import leases
from campaign.store.database import Database
from campaign.web.app import openapi_of
from tests.support.campaigns import make_list
from tests.support.clock import ManualClock
from tests.web.conftest import Client

EXAMPLES = 12
STARTS_A_PROCESS = {
    ("POST", "/api/v1/contact-lists"),
    ("POST", "/api/v1/rules/replays"),
    ("POST", "/api/v1/exports"),
}


def cases(app: FastAPI) -> list[Any]:
    """Some cases of each operation, the same in every run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of schemathesis' own dependencies
        import schemathesis
        from schemathesis import GenerationMode

        schema = schemathesis.openapi.from_dict(openapi_of(app))
        found: list[Any] = []
        for operation in schema.get_all_operations():
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @settings(
                    max_examples=EXAMPLES,
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.ok().as_strategy(generation_mode=mode))
                def collect(case: Any) -> None:
                    found.append(case)

                with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing has no wrong form
                    collect()
    return found


@pytest.mark.timeout(300)
async def test_no_request_finds_a_fault_of_ours(
    admin: Client, app: FastAPI, db: Database, clock: ManualClock
):
    await make_list(db, "people", 2)
    async with db.transaction() as tx:  # else /health rightly says 503
        await leases.acquire(tx, "scheduler", "here", clock.now(), timedelta(hours=1))
    sent = 0
    for case in cases(app):
        if (case.method, case.path) in STARTS_A_PROCESS:
            continue  # test_api.py, test_studies.py and test_reports.py have them
        kwargs = case.as_transport_kwargs(base_url="http://api.test")
        kwargs = {key: value for key, value in kwargs.items() if value is not None and key != "cookies"}
        if isinstance(kwargs.get("data"), bytes | str):
            kwargs["content"] = kwargs.pop("data")
        key = {"Authorization": admin.headers["authorization"]}
        try:
            request = admin.build_request(**{**kwargs, "headers": {**dict(kwargs.get("headers", {})), **key}})
        except (TypeError, ValueError, httpx.InvalidURL, UnicodeError):
            continue  # what no client can send
        answer = await admin.send(request)
        sent += 1
        assert answer.status_code < 500, f"{case.method} {request.url} {request.content!r}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", request.url
    assert sent > 500

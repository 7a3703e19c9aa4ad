"""Webhook endpoints: who is told of outcomes and events."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from campaign.domain.webhooks import Event
from campaign.flow import endpoints
from campaign.store import webhooks as store
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.problems import responses
from campaign.wiring import webhook_secret

router = APIRouter(prefix=API + "/webhooks", tags=["Webhooks"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]


class AddEndpoint(BaseModel):
    """Who is to be told, and of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1,
        max_length=2000,
        examples=["https://crm.example.com/hooks/calls"],
        description="https only",
    )
    events: list[Event] = Field(default=[], max_length=20, description="none: every event")
    numbers: Literal["masked", "full"] = Field(default="masked", description="how phone numbers are sent")
    description: str = Field(default="", max_length=500, pattern=r"^[^\x00-\x1f]*$")


class Endpoint(BaseModel):
    """An endpoint as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    url: str
    description: str
    events: list[str] = Field(description="none: every event")
    numbers: str
    state: str = Field(description="active or disabled")
    state_why: str | None
    created_by: str
    created_at: datetime
    failing_since: datetime | None = Field(description="null: it took the last message")
    delivered_at: datetime | None = Field(description="when it last took one")


class NewEndpoint(Endpoint):
    """An endpoint with its secret, shown this once."""

    secret: str


class EndpointList(BaseModel):
    """All endpoints, the oldest first."""

    items: list[Endpoint]


class NewSecret(BaseModel):
    """A new secret, shown this once."""

    secret: str
    old_signs_until: datetime = Field(description="until then both secrets sign")


class Delivery(BaseModel):
    """One message to one endpoint."""

    model_config = ConfigDict(extra="ignore")

    id: int = Field(description="its webhook-id is msg_ and this number")
    endpoint_id: int
    type: str
    attempt_id: int | None
    created_at: datetime
    state: str = Field(description="waiting, delivered or dead")
    next_at: datetime | None
    tries: int
    tried_at: datetime | None
    status: int | None = Field(description="HTTP status of the last answer")
    error: str | None
    delivered_at: datetime | None


class Again(BaseModel):
    """How many messages are sent again."""

    deliveries: int


class Queued(BaseModel):
    """A message that is sent within seconds."""

    delivery_id: int


@router.get("", summary="List endpoints")
async def list_endpoints(services: With) -> EndpointList:
    """Those that were removed are left out."""
    async with services.db.connection() as tx:
        return EndpointList(items=[Endpoint.model_validate(one) for one in await store.listed(tx)])


@router.post("", status_code=201, summary="Add an endpoint", responses=responses(400, 409))
async def add_endpoint(services: With, key: SignedIn, body: AddEndpoint) -> NewEndpoint:
    """Messages are signed with the secret that this answers, by Standard Webhooks."""
    secret = webhook_secret()
    async with services.db.transaction() as tx:
        made = await endpoints.add(
            tx,
            url=body.url,
            secret=secret,
            events=[event.value for event in body.events],
            numbers=body.numbers,
            description=body.description,
            loopback=services.settings.twilio_is_loopback,
            actor=actor_of(key),
            now=services.clock.now(),
        )
    return NewEndpoint(**endpoints.shown(made), secret=secret)


@router.delete("/{endpoint_id}", status_code=204, summary="Remove an endpoint", responses=responses(404))
async def remove_endpoint(services: With, key: SignedIn, endpoint_id: Id) -> None:
    """It is told nothing more, and its secret is forgotten."""
    async with services.db.transaction() as tx:
        await store.remove(tx, endpoint_id, actor=actor_of(key), now=services.clock.now())


@router.post("/{endpoint_id}/enable", summary="Switch an endpoint on again", responses=responses(404))
async def enable_endpoint(services: With, key: SignedIn, endpoint_id: Id) -> Endpoint:
    """One that took nothing for three days, or answered 410, was switched off."""
    async with services.db.transaction() as tx:
        on = await store.enable(tx, endpoint_id, actor=actor_of(key), now=services.clock.now())
    return Endpoint.model_validate(on)


@router.post("/{endpoint_id}/rotate", summary="A new secret", responses=responses(404))
async def rotate_secret(services: With, key: SignedIn, endpoint_id: Id) -> NewSecret:
    """For a day the old one signs beside it."""
    secret = webhook_secret()
    async with services.db.transaction() as tx:
        until = await store.rotate(tx, endpoint_id, secret, actor=actor_of(key), now=services.clock.now())
    return NewSecret(secret=secret, old_signs_until=until)


@router.post("/{endpoint_id}/test", status_code=202, summary="Send a test message", responses=responses(404))
async def send_test(services: With, key: SignedIn, endpoint_id: Id) -> Queued:
    """What became of it stands among the endpoint's deliveries."""
    async with services.db.transaction() as tx:
        made = await endpoints.test(tx, endpoint_id, actor=actor_of(key), now=services.clock.now())
    return Queued(delivery_id=made)


@router.get("/{endpoint_id}/deliveries", summary="What was sent, newest first", responses=responses(400, 404))
async def list_deliveries(
    services: With,
    endpoint_id: Id,
    asked: Paged,
    state: Annotated[Literal["waiting", "delivered", "dead"] | None, Query()] = None,
) -> Page[Delivery]:
    """Dead ones were given up: they are sent again by a replay."""
    async with services.db.connection() as tx:
        await store.get(tx, endpoint_id)
        rows = await store.deliveries(
            tx, endpoint_id=endpoint_id, state=state, before=asked.after, limit=asked.limit + 1
        )
    return page_of([Delivery(**row) for row in rows], asked, [row["id"] for row in rows])


@router.post("/{endpoint_id}/replay", summary="Send again what was given up", responses=responses(404, 409))
async def replay(
    services: With,
    key: SignedIn,
    endpoint_id: Id,
    delivery_id: Annotated[
        int | None, Query(ge=1, lt=2**63, description="this one, whatever became of it; none: all dead ones")
    ] = None,
) -> Again:
    """With the message ids that they had, so that a receiver knows what it has had."""
    async with services.db.transaction() as tx:
        again = await store.replay(
            tx, endpoint_id, actor=actor_of(key), now=services.clock.now(), delivery_id=delivery_id
        )
    return Again(deliveries=again)

"""Who did what to what, and when."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from campaign.store import accounts
from campaign.web.auth import API, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.problems import responses

router = APIRouter(prefix=API, tags=["Service"], dependencies=[guard], responses=responses())


class AuditEntry(BaseModel):
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str = Field(examples=["key:crm-sync"])
    action: str = Field(examples=["campaign.pause"])
    subject: str = Field(examples=["campaign:12"])
    detail: dict[str, Any]


@router.get("/audit", summary="The audit trail, newest first", responses=responses(400))
async def list_audit(
    services: With,
    asked: Paged,
    subject: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> Page[AuditEntry]:
    """All that was done, or what was done to one subject."""
    async with services.db.connection() as tx:
        rows = await accounts.audit_trail(tx, subject=subject, before_id=asked.after, limit=asked.limit + 1)
    entries = [AuditEntry(**{name: getattr(row, name) for name in AuditEntry.model_fields}) for row in rows]
    return page_of(entries, asked, [row.id for row in rows])

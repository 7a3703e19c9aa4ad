"""One person's data: shown as a whole, or erased."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from campaign.flow import records
from campaign.web.api.dnc import number as parsed
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/people", tags=["People"], dependencies=[guard], responses=responses())

Number = Annotated[str, Path(max_length=40, description="E.164", examples=["+12025550123"])]


class File(BaseModel):
    """An imported file that holds the person."""

    id: int = Field(description="of the import")
    file_name: str
    stored_path: str | None = Field(description="where it lay when it was read")


class ErasedPerson(BaseModel):
    """What erasing did."""

    number: str = Field(description="masked", examples=["+1202•••0123"])
    suppressed: int = Field(description="numbers that stand on our own do-not-call list now")
    rows: dict[str, int] = Field(description="what → rows that were removed or emptied")
    at_twilio: list[str] = Field(description="sids of calls, to be deleted at Twilio by hand")
    files: list[File] = Field(description="erase the person from copies of these too")


@router.get("/{number}/export", summary="All that is stored about one person", responses=responses(400, 404))
async def export_person(services: With, key: SignedIn, number: Number) -> dict[str, Any]:
    """Contacts with their lists and consent, decisions in words, attempts with transcript, answers and
    outcome, do-not-call entries, imports, and what was done by whom. That it was shown is audited."""
    return await records.export(
        services.db, parsed(number, None), actor=actor_of(key), now=services.clock.now()
    )


@router.delete("/{number}", summary="Erase one person", responses=responses(400, 404, 409))
async def erase_person(
    services: With,
    key: SignedIn,
    number: Number,
    reason: Annotated[
        str, Query(min_length=3, max_length=500, pattern=r"^[^\x00]*$", description="for the audit trail")
    ],
) -> ErasedPerson:
    """Everything about the number and the contacts that have it, for good; the numbers stay on our own
    do-not-call list. Refused while a call to one of them is under way, and for a minute after."""
    done = await records.erase(
        services.db,
        services.data_dir,
        parsed(number, None),
        reason=reason,
        actor=actor_of(key),
        now=services.clock.now(),
    )
    return ErasedPerson(
        number=done.number,
        suppressed=done.suppressed,
        rows=done.rows,
        at_twilio=list(done.at_twilio),
        files=[File(**{name: file[name] for name in File.model_fields}) for file in done.files],
    )

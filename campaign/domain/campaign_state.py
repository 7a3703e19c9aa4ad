"""A campaign's states as a table: (state, action) → state. A pair that is not in it is refused.

    draft ──start──▶ running ──────────────────────── complete ──▶ completed ──redial──▶ paused
      └──schedule──▶ scheduled ──begin──▶ running                      (nothing is left, or its end came)
    running / scheduled ──pause──▶ paused ──resume──▶ running
    running / paused / failed ──stop──▶ stopping ──finish──▶ stopped   (finish: no call is live any more)
    draft / scheduled ──stop──▶ stopped
    running / scheduled ──fail──▶ failed ──resume──▶ running           (its definition can't be used)

An action that finds its work already done (pausing what is paused) changes nothing and is no error:
whoever stops a campaign in a hurry must not be told off for a second click.
"""

from enum import StrEnum
from types import MappingProxyType


class CampaignState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"


class CampaignAction(StrEnum):
    """What an operator asks for, or (begin, finish, complete, fail) the service does by itself."""

    START = "start"
    SCHEDULE = "schedule"
    """Start of a campaign whose start instant is still to come."""
    BEGIN = "begin"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    FINISH = "finish"
    COMPLETE = "complete"
    FAIL = "fail"
    EDIT = "edit"
    REDIAL = "redial"


_S, _A = CampaignState, CampaignAction

ALLOWED = MappingProxyType(
    {
        (_S.DRAFT, _A.START): _S.RUNNING,
        (_S.DRAFT, _A.SCHEDULE): _S.SCHEDULED,
        (_S.DRAFT, _A.STOP): _S.STOPPED,
        (_S.DRAFT, _A.EDIT): _S.DRAFT,
        (_S.SCHEDULED, _A.SCHEDULE): _S.SCHEDULED,
        (_S.SCHEDULED, _A.BEGIN): _S.RUNNING,
        (_S.SCHEDULED, _A.PAUSE): _S.PAUSED,
        (_S.SCHEDULED, _A.STOP): _S.STOPPED,
        (_S.SCHEDULED, _A.COMPLETE): _S.COMPLETED,
        (_S.SCHEDULED, _A.FAIL): _S.FAILED,
        (_S.RUNNING, _A.START): _S.RUNNING,
        (_S.RUNNING, _A.RESUME): _S.RUNNING,
        (_S.RUNNING, _A.PAUSE): _S.PAUSED,
        (_S.RUNNING, _A.STOP): _S.STOPPING,
        (_S.RUNNING, _A.COMPLETE): _S.COMPLETED,
        (_S.RUNNING, _A.FAIL): _S.FAILED,
        (_S.RUNNING, _A.REDIAL): _S.RUNNING,
        (_S.PAUSED, _A.START): _S.RUNNING,
        (_S.PAUSED, _A.SCHEDULE): _S.SCHEDULED,
        (_S.PAUSED, _A.RESUME): _S.RUNNING,
        (_S.PAUSED, _A.PAUSE): _S.PAUSED,
        (_S.PAUSED, _A.STOP): _S.STOPPING,
        (_S.PAUSED, _A.EDIT): _S.PAUSED,
        (_S.PAUSED, _A.REDIAL): _S.PAUSED,
        (_S.STOPPING, _A.STOP): _S.STOPPING,
        (_S.STOPPING, _A.FINISH): _S.STOPPED,
        (_S.STOPPED, _A.STOP): _S.STOPPED,
        (_S.COMPLETED, _A.STOP): _S.COMPLETED,
        (_S.COMPLETED, _A.REDIAL): _S.PAUSED,
        (_S.FAILED, _A.SCHEDULE): _S.SCHEDULED,
        (_S.FAILED, _A.RESUME): _S.RUNNING,
        (_S.FAILED, _A.EDIT): _S.FAILED,
        (_S.FAILED, _A.STOP): _S.STOPPING,
    }
)

ENROLS = frozenset({_S.DRAFT, _S.SCHEDULED, _S.RUNNING, _S.PAUSED})
"""States in which new contacts of the campaign's lists are enrolled."""

OVER = frozenset({_S.STOPPED, _S.COMPLETED, _S.FAILED})
"""States in which nothing is dialled any more unless an operator acts."""


def after(state: CampaignState, action: CampaignAction) -> CampaignState | None:
    """The state after an action; None when the action is refused in that state."""
    return ALLOWED.get((state, action))


def possible(state: CampaignState) -> list[CampaignAction]:
    """What may be done in a state, for messages to people; the service's own actions are left out."""
    own = {_A.BEGIN, _A.FINISH, _A.COMPLETE, _A.FAIL, _A.SCHEDULE}
    return [action for (at, action) in ALLOWED if at is state and action not in own]

from itertools import product

import pytest

from campaign.domain.campaign_state import (
    ALLOWED,
    ENROLS,
    OVER,
    CampaignAction,
    CampaignState,
    after,
    possible,
)

DIALS = CampaignState.RUNNING
DOING_NOTHING = {CampaignAction.STOP}


@pytest.mark.parametrize(("state", "action"), list(product(CampaignState, CampaignAction)))
def test_every_pair_of_state_and_action_is_answered_by_the_table(
    state: CampaignState, action: CampaignAction
) -> None:
    following = after(state, action)
    assert following is ALLOWED.get((state, action))
    if following is None:
        assert action not in possible(state)
        return
    if following is DIALS:
        assert action in {
            CampaignAction.START,
            CampaignAction.BEGIN,
            CampaignAction.RESUME,
            CampaignAction.REDIAL,
        }
    if state is CampaignState.STOPPED:
        assert following is state


def test_stop_is_possible_in_every_state_and_never_leads_to_dialling() -> None:
    for state in CampaignState:
        assert after(state, CampaignAction.STOP) in OVER | {CampaignState.STOPPING}


def test_stopped_is_final() -> None:
    ways_out = [after(CampaignState.STOPPED, action) for action in CampaignAction]
    assert set(ways_out) <= {None, CampaignState.STOPPED}


def test_a_campaign_is_edited_only_while_nothing_is_dialled() -> None:
    editable = {state for state in CampaignState if after(state, CampaignAction.EDIT)}
    assert editable == {CampaignState.DRAFT, CampaignState.PAUSED, CampaignState.FAILED}


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached = {CampaignState.DRAFT}
    while more := {to for (at, _), to in ALLOWED.items() if at in reached} - reached:
        reached |= more
    assert reached == set(CampaignState)


def test_a_campaign_that_is_over_enrols_nobody() -> None:
    assert not ENROLS & OVER

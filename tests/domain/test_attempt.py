"""The attempt's state machine: every pair, every order, every repetition."""

from itertools import permutations, product

import pytest

from campaign.domain.attempt import SETTLED, STATUS_EVENT, TABLE, AttemptEvent, AttemptState, after

RANK = [
    AttemptState.PLACING,
    AttemptState.UNKNOWN,
    AttemptState.PLACED,
    AttemptState.RINGING,
    AttemptState.ANSWERED,
    AttemptState.ENDED,
]


@pytest.mark.parametrize(("state", "event"), list(product(AttemptState, AttemptEvent)))
def test_every_pair_moves_forward_or_stays(state: AttemptState, event: AttemptEvent) -> None:
    reached = after(state, event)
    if reached is AttemptState.NOT_PLACED or state is AttemptState.NOT_PLACED:
        assert state in (AttemptState.PLACING, AttemptState.NOT_PLACED)
    else:
        assert RANK.index(reached) >= RANK.index(state)


@pytest.mark.parametrize("state", sorted(SETTLED))
@pytest.mark.parametrize("event", list(AttemptEvent))
def test_a_settled_attempt_stays_as_it_is(state: AttemptState, event: AttemptEvent) -> None:
    assert after(state, event) is state


def test_all_orders_and_repetitions_of_the_four_call_events_end_the_same() -> None:
    words = ["initiated", "ringing", "in-progress", "completed"]
    for doubled in [*words, None]:
        for order in set(permutations([*words, doubled] if doubled else words)):
            state = AttemptState.PLACING
            for word in order:
                state = after(state, STATUS_EVENT[word])
            assert state is AttemptState.ENDED, order


def test_an_unknown_result_is_left_only_by_twilios_word_or_at_the_end_of_the_hold() -> None:
    leaving = {event for (state, event) in TABLE if state is AttemptState.UNKNOWN}
    assert leaving == {
        AttemptEvent.ACCEPTED,
        AttemptEvent.RINGING,
        AttemptEvent.ANSWERED,
        AttemptEvent.OVER,
        AttemptEvent.NOT_FOUND,
        AttemptEvent.GIVEN_UP,
    }


def test_a_late_refusal_never_undoes_a_call_that_twilio_has_spoken_of() -> None:
    for state in (AttemptState.UNKNOWN, AttemptState.PLACED, AttemptState.RINGING, AttemptState.ANSWERED):
        assert after(state, AttemptEvent.REFUSED) is state
        assert after(state, AttemptEvent.NOT_SENT) is state

"""How an attempt ended, from all that is known of it."""

import pytest

from campaign.domain.disposition import MEANING, Disposition, Ending, conclude, replaces


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending(placed=False), Disposition.NOT_PLACED),
        (Ending(placed=False, refused_number=True), Disposition.BAD_NUMBER),
        (Ending(), Disposition.UNKNOWN),
        (Ending(call_status="busy"), Disposition.BUSY),
        (Ending(call_status="no-answer"), Disposition.NO_ANSWER),
        (Ending(call_status="canceled"), Disposition.CANCELED),
        (Ending(call_status="failed"), Disposition.FAILED),
        (Ending(call_status="failed", sip_code=404), Disposition.BAD_NUMBER),
        (Ending(call_status="failed", sip_code=503), Disposition.FAILED),
        (Ending(call_status="completed", answered=True), Disposition.ABANDONED),
        (Ending(call_status="completed", answered=True, first_word=True), Disposition.NO_CONVERSATION),
        (Ending(call_status="completed", answered=True, answered_by="machine_start"), Disposition.MACHINE),
        (Ending(call_status="completed", answered=True, answered_by="fax"), Disposition.FAX),
        (Ending(call_status="completed", answered=True, voicemail_left=True), Disposition.VOICEMAIL_LEFT),
        (Ending(call_status="completed", answered=True, turned_away=True), Disposition.TURNED_AWAY),
        (
            Ending(call_status="completed", answered=True, talk=Disposition.INTERESTED),
            Disposition.INTERESTED,
        ),
    ],
)
def test_the_facts_decide_the_disposition(ending: Ending, expected: Disposition) -> None:
    assert conclude(ending) is expected


def test_a_person_who_spoke_is_not_made_a_machine_by_a_detector() -> None:
    ending = Ending(
        call_status="completed", answered=True, answered_by="machine_start", talk=Disposition.DO_NOT_CALL
    )
    assert conclude(ending) is Disposition.DO_NOT_CALL


def test_a_machine_that_the_talk_heard_is_one_whatever_detection_says() -> None:
    ending = Ending(call_status="completed", answered=True, answered_by="human", talk=Disposition.MACHINE)
    assert conclude(ending) is Disposition.MACHINE


def test_a_message_that_was_left_says_more_than_the_machine_that_took_it() -> None:
    ending = Ending(call_status="completed", answered=True, talk=Disposition.MACHINE, voicemail_left=True)
    assert conclude(ending) is Disposition.VOICEMAIL_LEFT


def test_a_later_conclusion_takes_an_earlier_ones_place_unless_it_says_less() -> None:
    order = [
        (Disposition.NO_CONVERSATION,),
        (Disposition.COMPLETED,),
        (Disposition.MACHINE, Disposition.FAX),
        (Disposition.CALLBACK, Disposition.WRONG_NUMBER, Disposition.INTERESTED, Disposition.NOT_INTERESTED),
        (Disposition.DO_NOT_CALL,),
    ]
    ranks = {code: rank for rank, codes in enumerate(order) for code in codes}
    for old, rank in ranks.items():
        assert replaces(old, None)
        for new in ranks:
            assert replaces(new, old) == (new is not old and ranks[new] >= rank), (old, new)


def test_completed_alone_does_not_mean_that_a_person_was_reached() -> None:
    assert conclude(Ending(call_status="completed", answered=True)) is Disposition.ABANDONED


def test_every_disposition_has_a_meaning() -> None:
    assert set(MEANING) == set(Disposition)


def test_what_must_never_be_retried_is_final() -> None:
    for disposition in (Disposition.DO_NOT_CALL, Disposition.WRONG_NUMBER, Disposition.NOT_INTERESTED):
        assert MEANING[disposition].final


def test_an_attempt_that_never_left_does_not_use_up_the_budget() -> None:
    assert not MEANING[Disposition.NOT_PLACED].counts
    assert MEANING[Disposition.UNKNOWN].counts

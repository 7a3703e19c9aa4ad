"""What of a number reaches the transcript, however it is split over turns and repeated by either side."""

from campaign.domain.conversation import RecordTurn
from campaign.domain.conversation.events import Command
from campaign.domain.conversation.transcript import Transcript


class Talk:
    """A transcript as it would be stored after each turn."""

    def __init__(self) -> None:
        self.transcript = Transcript((), (), ())
        self.stored: dict[int, str] = {}

    def person(self, text: str) -> None:
        self._keep(self.transcript.person(text, 0.0))

    def agent(self, text: str) -> None:
        utterance = self.transcript.begin(0.0)
        self.transcript.speech.add(utterance, text, 0.0)
        self.transcript.finish(utterance)
        self._keep(self.transcript.heard(self.transcript.speech.played(text, 0.0)))

    def _keep(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, RecordTurn):
                self.stored[command.turn.seq] = command.turn.text

    @property
    def lines(self) -> list[str]:
        return [text for _, text in sorted(self.stored.items())]


def test_a_card_said_in_two_breaths_and_repeated_by_the_agent_is_in_no_turn() -> None:
    talk = Talk()
    talk.person("It's four one one one one one one one")
    talk.agent("4111 1111, and then?")
    talk.person("one one one one one two three four")
    talk.agent("So that is four one one one, one one one one, and 1111 1234. Is it right?")
    talk.person("yes, ending in 1234")
    assert talk.lines == [
        "It's [number]",
        "[number], and then?",
        "[number ending 1234]",
        "So that is [number ending 1234]. Is it right?",
        "yes, ending in [number]",
    ]
    said = [message.text for message in talk.transcript.history]
    assert said[0] == "It's four one one one one one one one"  # the model needs the words as they were said


def test_answers_to_different_questions_are_no_number() -> None:
    talk = Talk()
    asked = ["What year was it built?", "Your postal code?", "How many are you?", "When was the roof made?"]
    for question, answer in zip(asked, ["2012", "10001", "4", "1998"], strict=True):
        talk.agent(question)
        talk.person(answer)
    assert [line for line in talk.lines if not line.endswith("?")] == ["2012", "10001", "4", "1998"]


def test_a_number_that_is_broken_off_by_a_question_is_still_one() -> None:
    talk = Talk()
    talk.person("078 05")
    talk.agent("Sorry, could you say the rest?")
    talk.person("1120")
    assert talk.lines[0] == "[id]"
    assert talk.lines[2] == "[id ending 1120]"

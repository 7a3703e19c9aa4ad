from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator.speech import split_chunks, whole_words


@given(st.text(alphabet="ab 1.:!?;,"))
def test_splitting_loses_nothing(text: str) -> None:
    chunks, rest = split_chunks(text)
    assert "".join(chunks) + rest == text


def test_chunks_end_at_the_borders_heard_on_the_wire() -> None:
    assert split_chunks("I heard: yes. Well, now! Really? So; go") == (
        ["I heard:", " yes.", " Well, now!", " Really?", " So;"],
        " go",
    )


def test_figures_and_runs_of_marks_stay_whole() -> None:
    assert split_chunks("At 10:30 it costs 3.50... Really?! Yes.") == (
        ["At 10:30 it costs 3.50...", " Really?!", " Yes."],
        "",
    )


@given(st.text(alphabet="abc ", max_size=40), st.integers(-3, 50))
def test_a_fragment_is_a_beginning_of_whole_words(text: str, characters: int) -> None:
    fragment = whole_words(text, characters)
    assert text.startswith(fragment)
    assert len(fragment) <= max(characters, 0)
    assert set(fragment.split()) <= set(text.split())

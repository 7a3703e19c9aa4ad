from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain import measures
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import BadInput
from campaign.domain.measures import FIRST_WORD_BOUNDS_MS, Span, bucket_of, percentile, rate


def test_every_measure_is_part_of_the_one_before() -> None:
    assert measures.SUCCESSES < measures.RIGHT_PARTIES < measures.CONVERSATIONS < measures.CONNECTS
    assert measures.OPT_OUTS < measures.RIGHT_PARTIES
    assert {Disposition(code) for code in measures.CONNECTS} == {d for d, m in MEANING.items() if m.connect}


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [(0, 0), (100, 0), (101, 1), (2000, 18), (2001, 19), (10_000, 23), (10_001, 24)],
)
def test_a_bound_belongs_to_the_bucket_below_it(milliseconds: int, bucket: int) -> None:
    assert bucket_of(milliseconds) == bucket


@given(st.lists(st.integers(0, 20_000), min_size=1), st.floats(0.01, 0.99))
def test_a_percentile_lies_in_the_bucket_of_the_exact_one(values: list[int], share: float) -> None:
    calls: dict[int, int] = {}
    for value in values:
        calls[bucket_of(value)] = calls.get(bucket_of(value), 0) + 1
    exact = next(v for n, v in enumerate(sorted(values), 1) if n >= share * len(values))
    found = percentile(calls, share)
    assert found is not None
    bucket = bucket_of(exact)
    low = FIRST_WORD_BOUNDS_MS[bucket - 1] if bucket else 0
    high = FIRST_WORD_BOUNDS_MS[min(bucket, len(FIRST_WORD_BOUNDS_MS) - 1)]
    assert low <= found <= high


def test_nothing_has_no_percentile_and_no_rate() -> None:
    assert percentile({}, 0.5) is None
    assert rate(0, 0) is None
    assert rate(1, 3) == 0.3333


def test_who_was_served_in_time_is_counted_exactly() -> None:
    calls = {bucket_of(2000): 3, bucket_of(2001): 2}
    assert measures.served(calls) == 3


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadInput, match="begins on 2026-02-02 and ends on 2026-02-01"):
        Span(since=date(2026, 2, 2), until=date(2026, 2, 1))


def test_cells_of_a_file_are_plain() -> None:
    row = measures.CostRow(1, "a", "", "USD", 2, 1, 0.5, 0.25, None, None, {"busy": 0.5})
    assert measures.cells(row)["disposition_costs"] == "busy: 0.5"
    words = measures.LatencyRow(None, None, "", 2, 1, 1, 1, 1, 1.0, [(100, 1), (None, 1)])
    assert measures.cells(words)["buckets"] == "100: 1; more: 1"

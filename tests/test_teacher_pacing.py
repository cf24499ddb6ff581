"""How many calls may be under way, and when the next may start."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardreasoner.teachers.pacing import Load, Pace, backoff, retry_after

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def test_pace_starts_at_what_the_user_allows() -> None:
    assert Pace(64).limit == 64


def test_a_server_that_asks_for_patience_halves_the_limit() -> None:
    pace = Pace(64)
    pace.failed(Load.PATIENCE, started=1.0, now=2.0)
    assert pace.limit == 32


def test_a_failing_server_takes_a_fifth() -> None:
    pace = Pace(50)
    pace.failed(Load.STRAIN, started=1.0, now=2.0)
    assert pace.limit == 40


def test_an_answer_of_no_use_says_nothing_about_the_load() -> None:
    pace = Pace(64)
    pace.failed(Load.NONE, started=1.0, now=2.0)
    assert pace.limit == 64


def test_calls_that_were_under_way_together_lower_the_limit_once() -> None:
    pace = Pace(64)
    for finished in (2.0, 2.1, 2.2):
        pace.failed(Load.PATIENCE, started=1.0, now=finished)
    assert pace.limit == 32
    pace.failed(Load.PATIENCE, started=2.3, now=2.5)
    assert pace.limit == 16


def test_successes_lead_back_to_all() -> None:
    pace = Pace(64)
    pace.failed(Load.PATIENCE, started=1.0, now=2.0)
    for _ in range(32):  # one round: a sixteenth of 64 is added
        pace.succeeded()
    assert pace.limit == 35
    for _ in range(1000):
        pace.succeeded()
    assert pace.limit == 64


def test_a_limit_of_one_comes_back_too() -> None:
    pace = Pace(2)
    for moment in range(20):
        pace.failed(Load.PATIENCE, started=moment, now=moment)
    assert pace.limit == 1
    pace.succeeded()
    assert pace.limit == 2


def test_retry_after_holds_every_request_back() -> None:
    pace = Pace(64)
    pace.failed(Load.PATIENCE, started=1.0, now=2.0, wait=30.0)
    pace.failed(Load.PATIENCE, started=1.0, now=3.0, wait=5.0)  # a shorter one does not shorten it
    assert pace.not_before == 32.0


@given(st.lists(st.sampled_from([None, *Load])), st.integers(1, 300))
def test_limit_stays_between_one_and_most(events: list[Load | None], most: int) -> None:
    pace = Pace(most)
    for moment, event in enumerate(events):
        if event is None:
            pace.succeeded()
        else:
            pace.failed(event, started=moment, now=moment)
        assert 1 <= pace.limit <= most


def test_pauses_double_and_end_at_thirty_seconds() -> None:
    longest = [max(backoff(attempt, random.Random(seed)) for seed in range(200)) for attempt in (1, 2, 3, 20)]
    assert longest == [pytest.approx(most, rel=0.05) for most in (0.5, 1.0, 2.0, 30.0)]


def test_a_pause_is_never_shorter_than_the_server_asked() -> None:
    pauses = [backoff(1, random.Random(seed), wait=7.0) for seed in range(200)]
    assert min(pauses) >= 7.0
    assert max(pauses) <= 7.5


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("2", 2.0),
        ("0.25", 0.25),
        ("-3", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(asked: str | None, seconds: float | None) -> None:
    assert retry_after(asked, NOW) == seconds

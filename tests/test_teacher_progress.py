"""What the bar says while a teacher is asked."""

from collections import deque

from guardreasoner.teachers.asking import Tally
from guardreasoner.teachers.progress import state


def test_speed_cost_and_time_left_are_shown() -> None:
    tally = Tally(total=1000, done=400, under_way=64)
    assert state(tally, 1.234, deque([(0.0, 0, 0), (10.0, 400, 100)])) == "40.0/s, 64 under way, $1.23, 0:01:00 left"


def test_what_is_not_known_is_left_out() -> None:
    assert state(Tally(total=10), None, deque([(5.0, 0, 0)])) == "0 under way"


def test_patience_and_failures_are_shown() -> None:
    tally = Tally(total=10, note="stopping")
    tally.outcomes["failed"] = 2
    looks = deque([(0.0, 0, 0)])
    assert state(tally, None, looks, pause=12.4) == (
        "0 under way, 2 failed, the server asks for 12 s of patience, stopping"
    )

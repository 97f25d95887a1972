"""A topic's settings are compared with the stamps of a run before anything is sent."""

from __future__ import annotations

import pytest

from fleet.errors import RequestError
from fleet.sinks.stamps import OURS, RunTimes, check_settings

NOW = 1_800_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
LIVE = RunTimes(NOW, NOW + 365 * DAY, endless=False, ahead=False)
HISTORY = RunTimes(NOW - 30 * DAY, NOW, endless=False, ahead=True)
FUTURE = RunTimes(NOW, NOW + 30 * DAY, endless=False, ahead=True)
FOR_EVER = RunTimes(NOW, NOW, endless=True, ahead=True)
KAFKAS_OWN = {"retention.ms": str(7 * DAY), "message.timestamp.after.max.ms": str(HOUR)}


@pytest.mark.parametrize("times", [LIVE, HISTORY, FUTURE, FOR_EVER])
def test_a_topic_that_we_made_takes_every_run(times: RunTimes) -> None:
    check_settings("t", OURS, times, now_ms=NOW)


@pytest.mark.parametrize("times", [LIVE, HISTORY, FUTURE, FOR_EVER])
def test_settings_that_nobody_knows_conflict_with_nothing(times: RunTimes) -> None:
    check_settings("t", {}, times, now_ms=NOW)


def test_a_live_run_suits_kafkas_own_settings_however_long() -> None:
    check_settings("t", KAFKAS_OWN, LIVE, now_ms=NOW)


@pytest.mark.parametrize(
    ("settings", "times", "says"),
    [
        (KAFKAS_OWN, HISTORY, "retention.ms=604800000, but the run's first record is 30 days old and would soon"),
        (KAFKAS_OWN, FUTURE, "after.max.ms=3600000, but the run's records are up to 30 days ahead"),
        (KAFKAS_OWN, FOR_EVER, "a run without an end at a speed above 1 gets ahead of any bound"),
        ({"message.timestamp.before.max.ms": "1"}, HISTORY, "before.max.ms=1, .*30 days old and would be refused"),
        ({"message.timestamp.difference.max.ms": "1"}, FUTURE, "difference.max.ms=1, .*ahead of now"),
    ],
)
def test_a_conflict_names_the_setting_and_the_ways_out(settings: dict[str, str], times: RunTimes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        check_settings("t", settings, times, now_ms=NOW)

    assert "use another topic, set " in str(refused.value)
    assert "or run with --record-time wall" in str(refused.value)


def test_a_topic_that_stamps_records_itself_judges_none_of_ours() -> None:
    check_settings("t", {**KAFKAS_OWN, "message.timestamp.type": "LogAppendTime"}, HISTORY, now_ms=NOW)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_refused_because_it_keeps_the_last_record_of_a_machine_only(policy: str) -> None:
    with pytest.raises(RequestError, match=f"cleanup.policy={policy}.*keeps only the last record"):
        check_settings("t", {"cleanup.policy": policy}, HISTORY, now_ms=NOW)

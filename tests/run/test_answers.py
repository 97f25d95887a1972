"""When a person is told that a Kafka does not answer, and that it does again."""

from __future__ import annotations

from fleet.run.answers import SILENT_S, Silence


def looked(silence: Silence, *numbers: tuple[float, int, int]) -> list[str]:
    """Let time pass: at which second so many were answered and so many on their way; gives what was said."""
    said = []
    for now_s, answered, pending in numbers:
        again_s = silence.look(answered=answered, pending=pending, now_s=now_s)
        if again_s is not None:
            said.append(f"{now_s:g}: again after {again_s:g}")
        if silence.begins(now_s):
            said.append(f"{now_s:g}: silent")
    return said


def test_a_sink_that_answers_a_little_all_the_time_is_not_silent() -> None:
    assert looked(Silence(), *((second, second, 1000) for second in range(100))) == []


def test_a_sink_with_nothing_on_its_way_is_not_silent() -> None:
    assert looked(Silence(), (0, 5, 0), (100, 5, 0), (101, 5, 10), (101 + SILENT_S / 2, 5, 10)) == []


def test_each_silence_is_told_once_and_so_is_its_end() -> None:
    numbers = [(0, 5, 0), (1, 5, 9), (2, 5, 9), (4, 5, 9), (5, 5, 9), (60, 5, 9), (61, 14, 0), (62, 14, 1), (65, 14, 1)]

    assert looked(Silence(), *numbers) == ["4: silent", "61: again after 60", "65: silent"]


def test_records_that_are_given_up_are_no_answer() -> None:
    numbers = [(0, 5, 0), (1, 5, 9), (4, 5, 9), (120, 5, 0), (130, 5, 0), (140, 6, 0)]

    assert looked(Silence(), *numbers)[0] == "4: silent"
    assert len(looked(Silence(), *numbers)) == 2

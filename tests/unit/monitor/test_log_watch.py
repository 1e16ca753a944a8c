"""The watch over the log: one alarm a stretch, closed after a quiet minute, and every lost entry counted once."""

from __future__ import annotations

from lockgate.monitor.log_watch import QUIET_S, STUCK_S, Backlog, Looked, look
from lockgate.records.log_trouble import TOGETHER, LogNotice, LogTrouble
from lockgate.store.ports import Told

START_S = 1_764_158_400.0
REFUSED = "The prediction log in /ws/log cannot be written: No space left on device. Free some room there."


def told(
    process: str = "a",
    *,
    waiting: int = 0,
    dropped: int = 0,
    poisoned: int = 0,
    gone: bool = False,
    refused: bool = False,
) -> Told:
    notice = LogNotice(
        process=process,
        pid=1,
        waiting={"tide": waiting} if waiting else {},
        dropped={"tide": dropped} if dropped else {},
        poisoned=poisoned,
        problem=REFUSED if refused else None,
        since_s=START_S if waiting else None,
    )
    return Told(notice, gone)


class Story:
    """What the loop would have written, look by look."""

    def __init__(self) -> None:
        self.held: LogTrouble | None = None
        self.now_s = START_S
        self.alarms: list[tuple[str, str]] = []

    def look(self, *items: Told, after_s: float = 1.0, stuck: str | None = None) -> Looked:
        self.now_s += after_s
        found = look(self.held, items, stuck, place="/ws/log", now_s=self.now_s)
        self.held = found.trouble or self.held
        self.alarms += [(alarm.severity, alarm.sentence) for alarm in found.alarms]
        return found


def test_a_log_that_is_well_says_nothing() -> None:
    story = Story()
    assert story.look(told()) == Looked(None, [], [])


def test_a_full_disk_is_one_page_that_says_since_when_what_waits_and_what_to_do() -> None:
    story = Story()
    (page,) = story.look(told(waiting=30, refused=True)).alarms
    for number in range(20):
        story.look(told(waiting=40 + number, refused=True))
    assert len(story.alarms) == 1
    assert (page.severity, page.cause, page.next) == ("page", "log", "df -h /ws/log")
    assert page.sentence == (
        f"Since 2025-11-26 12:00:00 UTC: {REFUSED} 30 wait in memory and are written by themselves once there is room. "
        "Calls are answered as before; what is lost is missing from every verdict."
    )


def test_the_record_goes_on_counting_what_is_lost_and_the_end_says_the_total() -> None:
    story = Story()
    story.look(told(waiting=10, refused=True))
    story.look(told(waiting=10, dropped=7, refused=True))
    story.look(told(waiting=10, dropped=9, refused=True), told("b", waiting=3, dropped=2))
    assert story.held is not None
    assert story.held.lost == {"tide": 11}
    assert "11 entries are lost so far (tide 11)." in story.held.sentence
    story.look(told(dropped=9), told("b", dropped=2))
    assert story.held.until_s is None
    story.look(told(dropped=9), told("b", dropped=2), after_s=QUIET_S)
    assert story.held.until_s is not None
    assert [severity for severity, _ in story.alarms] == ["page", "note"]
    assert story.alarms[-1][1].endswith("11 entries are lost for good (tide 11); verdicts over that time miss them.")


def test_the_next_stretch_is_another_alarm_and_counts_nothing_twice() -> None:
    story = Story()
    story.look(told(waiting=1, dropped=5))
    story.look(told(dropped=5), after_s=QUIET_S)
    story.look(told(dropped=5), after_s=QUIET_S)
    story.look(told(waiting=1, dropped=6))
    assert story.held is not None
    assert story.held.lost == {"tide": 1}
    assert [severity for severity, _ in story.alarms] == ["page", "note", "page"]


def test_what_a_process_had_waiting_when_it_ended_is_lost_and_counted_once() -> None:
    story = Story()
    story.look(told(waiting=12, refused=True))
    found = story.look(told(waiting=12, refused=True, gone=True))
    assert found.gone == ["a"]
    assert story.held is not None
    assert story.held.lost == {"tide": 12}
    # The loop died before the file was removed: it is read again.
    story.look(told(waiting=12, refused=True, gone=True))
    assert story.held.lost == {"tide": 12}


def test_a_segment_left_with_nothing_lost_is_a_ticket_and_a_loss_later_makes_it_a_page() -> None:
    story = Story()
    story.look(told(poisoned=1))
    assert story.alarms[0][0] == "ticket"
    assert "1 segment was left and written again elsewhere; nothing is lost." in story.alarms[0][1]
    story.look(told(poisoned=1, dropped=4))
    story.look(told(poisoned=1, dropped=5))
    assert [severity for severity, _ in story.alarms] == ["ticket", "page"]


def test_while_the_disk_refuses_nothing_is_said_to_be_safe() -> None:
    story = Story()
    story.look(told(poisoned=1, refused=True))
    assert "1 segment was left; what was not safe is written again as soon as the disk takes it." in story.alarms[0][1]
    assert "nothing is lost" not in story.alarms[0][1]


def test_a_compactor_that_stands_still_is_told_after_five_minutes_and_not_before() -> None:
    backlog, story = Backlog(), Story()
    assert backlog.look("s1", None, START_S) is None
    assert backlog.look("s2", "The table cannot be written.", START_S + STUCK_S) is None
    stuck = backlog.look("s2", "The table cannot be written.", START_S + 2 * STUCK_S)
    assert stuck is not None
    assert "the segment s2 still waits. The table cannot be written." in stuck
    story.look(told(), stuck=stuck)
    assert [severity for severity, _ in story.alarms] == ["ticket"]
    assert backlog.look(None, None, START_S + 3 * STUCK_S) is None


def test_losses_told_together_for_length_are_not_counted_again() -> None:
    story = Story()
    for dropped in ({"tide": 100, "wind": 50}, {TOGETHER: 150}, {TOGETHER: 170}, {"tide": 130, "wind": 50}):
        story.look(Told(LogNotice(process="a", pid=1, dropped=dropped), False))
    assert story.held is not None
    assert sum(story.held.lost.values()) == 180

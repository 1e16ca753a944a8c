import threading

import pytest

from lockgate.runtime.background import Background


def test_all_that_fits_is_done():
    done, lock = [], threading.Lock()
    ended = threading.Event()
    background = Background(3, 100)

    def work(number):
        with lock:
            done.append(number)
            if len(done) == 50:
                ended.set()

    for number in range(50):
        assert background.give(lambda own=number: work(own))
    assert ended.wait(5)
    assert sorted(done) == list(range(50))


def test_what_finds_it_full_is_left_out_and_counted():
    hold, began = threading.Event(), threading.Event()
    background = Background(1, 2)

    def busy():
        began.set()
        hold.wait(10)

    background.give(busy)
    assert began.wait(5)
    assert [background.give(busy) for _ in range(4)] == [True, True, False, False]
    assert background.left_out == 2
    hold.set()


def test_without_a_thread_to_be_had_work_is_left_out_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    background, ended = Background(2, 4), threading.Event()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_thread)
        assert [background.give(ended.set) for _ in range(9)] == [False] * 9
    assert background.left_out == 9
    assert background.give(ended.set)
    assert ended.wait(5)


def test_work_that_raises_whatever_it_likes_takes_no_thread_along() -> None:
    class Panic(BaseException):
        pass

    def panics() -> None:
        raise Panic

    background, ended = Background(2, 100), threading.Event()
    for _ in range(20):
        background.give(panics)
    assert background.give(ended.set)
    assert ended.wait(5)

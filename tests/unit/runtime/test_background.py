import threading

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

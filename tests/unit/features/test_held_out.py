"""The same record finds the same rows again, in any process, and keeps groups whole."""

import subprocess
import sys

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.features.held_out import is_held_out
from lockgate.records import HeldOut

RANDOM = HeldOut(kind="random", share=0.2, seed=3)
GROUP = HeldOut(kind="group", by="city", share=0.25, seed=3)


def cities(n: int) -> dict[str, np.ndarray]:
    names = np.empty(n, dtype=object)
    names[:] = [f"city {i % 97}" for i in range(n)]
    return {"city": names}


def test_a_share_of_the_rows_is_held_out():
    held = is_held_out({"x": np.zeros(20_000)}, RANDOM, None)
    # sd .0028 at 20,000 rows; the seed is fixed, so this cannot fail by chance tomorrow
    assert abs(held.mean() - 0.2) < 0.01


def test_another_seed_holds_out_other_rows():
    rows = {"x": np.zeros(1_000)}
    other = HeldOut(kind="random", share=0.2, seed=4)
    assert (is_held_out(rows, RANDOM, None) != is_held_out(rows, other, None)).mean() > 0.2


def test_groups_are_never_cut_in_two_and_do_not_depend_on_the_other_rows():
    many, few = cities(5_000), cities(970)
    held = is_held_out(many, GROUP, None)
    by_city = {name: held[many["city"] == name] for name in set(many["city"])}
    assert all(rows.all() or not rows.any() for rows in by_city.values())
    assert 0.1 < held.mean() < 0.4
    np.testing.assert_array_equal(is_held_out(few, GROUP, None), held[:970])


def test_a_fresh_process_finds_the_same_rows():
    code = (
        "import numpy as np\nfrom lockgate.features.held_out import is_held_out\nfrom lockgate.records import HeldOut\n"
        "c=np.empty(500,dtype=object); c[:]=[f'city {i % 97}' for i in range(500)]\n"
        "r=HeldOut(kind='group', by='city', share=0.25, seed=3)\n"
        "print(''.join(str(int(v)) for v in is_held_out({'city': c}, r, None)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert told.strip() == "".join(str(int(v)) for v in is_held_out(cities(500), GROUP, None))


def test_by_time_the_cut_itself_is_held_out():
    rows = {"t": np.array([1.0, 2.0, 3.0])}
    np.testing.assert_array_equal(is_held_out(rows, HeldOut(kind="time", from_s=2.0), "t"), [False, True, True])


def test_what_cannot_be_found_is_named():
    with pytest.raises(SpecError, match="need a time column"):
        is_held_out({"x": np.zeros(3)}, HeldOut(kind="time", from_s=2.0), None)
    with pytest.raises(SpecError, match="'city'"):
        is_held_out({"x": np.zeros(3)}, GROUP, None)

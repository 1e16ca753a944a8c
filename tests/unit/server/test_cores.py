"""How many workers there are where nobody says it: files of a cgroup, laid out as kernels do."""

from __future__ import annotations

import math
import os

import pytest

from lockgate.server import cores


def lay(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def own(root, line):
    lay(root, **{"proc/self/cgroup": line})


@pytest.mark.parametrize(
    ("told", "expected"), [("max 100000", math.inf), ("50000 100000", 0.5), ("250000 100000\n", 2.5), ("x", math.inf)]
)
def test_a_container_sees_its_own_quota_at_the_root(tmp_path, told, expected):
    own(tmp_path, "0::/\n")
    lay(tmp_path, **{"sys/fs/cgroup/cpu.max": told})
    assert cores.quota(tmp_path) == expected


def test_a_bound_above_holds_below(tmp_path):
    own(tmp_path, "0::/system.slice/lockgate.service\n")
    lay(tmp_path, **{"sys/fs/cgroup/system.slice/lockgate.service/cpu.max": "max 100000"})
    assert cores.quota(tmp_path) == math.inf
    lay(tmp_path, **{"sys/fs/cgroup/system.slice/cpu.max": "150000 100000"})
    assert cores.quota(tmp_path) == 1.5


def test_the_first_version_of_cgroups_is_read_too(tmp_path):
    own(tmp_path, "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n")
    assert cores.quota(tmp_path) == math.inf
    folder = {
        "sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us": "100000",
    }
    lay(tmp_path, **folder)
    assert cores.quota(tmp_path) == math.inf
    lay(tmp_path, **folder | {"sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "300000"})
    assert cores.quota(tmp_path) == 3


def test_where_there_is_no_cgroup_nothing_bounds(tmp_path):
    assert cores.quota(tmp_path) == math.inf
    assert cores.workers(tmp_path) == min(cores.MOST, len(os.sched_getaffinity(0)))


def test_half_a_core_is_one_worker(tmp_path):
    own(tmp_path, "0::/\n")
    lay(tmp_path, **{"sys/fs/cgroup/cpu.max": "50000 100000"})
    assert cores.workers(tmp_path) == 1


def test_a_process_held_to_one_core_starts_one_worker(tmp_path):
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores.workers(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, allowed)

import os

# One thread a process: tests run small networks, often several processes at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
from pathlib import Path

import pytest

# A runner in the background ignores Ctrl-C, and so would the processes that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REAL_DATA = "MOT_TEST_DATA"
RAY = ("end_to_end", "execute")
"""Folders of tests that start Ray."""

SEQUENCES = ("ETH-Bahnhof", "KITTI-17", "MOT17-09", "PETS09-S2L1", "TUD-Campus")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Two processes run the tests. A file stays in one of them, for its fixtures. All that starts Ray does, too: several
    # Rays on a few cores would wait for each other. It takes longest, and so comes first.
    for item in items:
        group = "ray" if item.path.parent.name in RAY else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.path.parent.name not in RAY)
    if os.environ.get(REAL_DATA):
        return
    real = [item for item in items if item.get_closest_marker("real_data")]
    if real:
        items[:] = [item for item in items if item not in real]
        config.hook.pytest_deselected(items=real)
        print(f"{REAL_DATA} is not set: {len(real)} tests on real sequences are deselected")


@pytest.fixture(scope="session")
def mot_test_data() -> Path:
    """Folder with `mot/` and `metrics/`; set but incomplete fails."""
    root = Path(os.environ[REAL_DATA])
    missing = [name for name in SEQUENCES if not (root / "mot" / name / "gt" / "gt.txt").is_file()]
    assert not missing, f"{REAL_DATA}={root} lacks the sequences {missing}"
    return root

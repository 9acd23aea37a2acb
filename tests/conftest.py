import os
import shutil
import tempfile

# One thread a process: tests run small networks, often several processes at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Studies here start Ray themselves, whatever cluster this machine takes part in.
os.environ["RAY_ADDRESS"] = "local"

# The runner tells its processes how wide its terminal is; what they print goes to none.
os.environ.pop("COLUMNS", None)

import signal
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# A runner in the background ignores Ctrl-C, and so would the processes that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REAL_DATA = "MOT_TEST_DATA"
RAY = ("cluster", "end_to_end", "execute")
"""Folders of tests that start Ray."""

SEQUENCES = ("ETH-Bahnhof", "KITTI-17", "MOT17-09", "PETS09-S2L1", "TUD-Campus")


FREE_BYTES = 2 * 1024**3
"""What all tests together need of the temporary folder, Ray's files among it."""


def pytest_sessionstart() -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        pytest.exit(
            f"{folder}: the tests need {FREE_BYTES / 1024**3:.0f} GiB, and {free / 1024**3:.1f} GiB are free; "
            "free some, or set TMPDIR to another disk",
            returncode=2,
        )


class OneRay(LoadFileScheduling):
    """Of the processes that run the tests, each gets whole files, and one of them all that starts Ray.

    Several Rays on a few cores would wait for each other.
    """

    def _split_scope(self, nodeid: str) -> str:
        _, folder, *_ = nodeid.split("/")
        return "ray" if folder in RAY else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneRay:
    return OneRay(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in RAY)  # it takes longest, and so comes first
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

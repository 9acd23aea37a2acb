"""Folders that all machines of a cluster have to see; one that does not is told before devices are held."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.capacity import find_capacity
from study.cluster_address import cluster_address
from study.config import Data, Execution
from study.errors import UserError
from study.results import ResultStore

_MARK = ".driver-"


@dataclass(frozen=True)
class SharedFolders:
    """What trials read and write on disks.

    Attributes:
        data: of frames and boxes; None if they are drawn, or in an object store.
        mark: a file in the study's results, of a name that no other folder has; None if the study has one machine, or
            results in an object store.
    """

    data: Path | None
    mark: Path | None

    def missing(self) -> str | None:
        """What this process does not see of them, in words; None if it sees them all."""
        if self.data is not None and not _exists(self.data):
            return f"data.root: {self.data}: no such folder"
        if self.mark is not None and not _exists(self.mark):
            return f"results: {self.mark.parent} is another folder"
        return None

    def refuse_blind_machines(self, execution: Execution) -> None:
        """Ask every machine of a cluster that trials may run on now; those that join later look themselves.

        Raises:
            UserError: some do not see what they have to.
        """
        if cluster_address() is None or (self.data is None and self.mark is None):
            return
        asked = {}
        for node in ray.nodes():
            if node["Alive"] and _fits_on(node["Resources"], execution):
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                look = ray.remote(SharedFolders.missing).options(num_cpus=0, scheduling_strategy=place)
                asked[f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"] = look.remote(self)
        blind: dict[str, list[str]] = {}
        for machine, answer in asked.items():
            if (missing := ray.get(answer)) is not None:
                blind.setdefault(missing, []).append(machine)
        for missing, machines in blind.items():
            raise not_shared(missing, machines)


@contextmanager
def shared_folders(data: Data, store: ResultStore) -> Iterator[SharedFolders]:
    """Those of a study; leaves the mark for as long as the context lasts."""
    mark = None
    if store.folder.is_local and cluster_address() is not None:
        folder = Path(store.folder.path).absolute()
        for left in folder.glob(f"{_MARK}*"):  # by drivers that were killed
            left.unlink(missing_ok=True)
        # Never looked for before: what a network file system remembers of a name that it knows may be old.
        mark = folder / f"{_MARK}{uuid.uuid4().hex}"
        store.folder.write(mark.name, b"")
    try:
        yield SharedFolders(None if data.folder is None else data.folder.absolute(), mark)
    finally:
        if mark is not None:
            with suppress(OSError):
                mark.unlink()


def _fits_on(machine: dict[str, float], execution: Execution) -> bool:
    try:
        return find_capacity(execution.model_copy(update={"workers": 1}), [machine]).slots > 0
    except UserError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it that this process may not enter
        return False


def not_shared(missing: str, machines: Iterable[str]) -> UserError:
    """What is said of a folder that these machines do not see."""
    return UserError(
        f"{missing} on {', '.join(machines)}; give one that all machines share, or an address such as s3://BUCKET/FOLDER"
    )

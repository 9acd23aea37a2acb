"""Training that starts from trackers which another study has trained: found among its results when a study is planned.

Every trial starts from the tracker of its own seed, so that what seeds differ in is the whole way. What training the
other study has cost stays with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Study
from study.errors import UserError, nearest
from study.results import MODEL, ResultStore

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Starts:
    """Trained trackers of one configuration.

    Attributes:
        store: results of the study that trained them.
        trials: trial_id by seed.
    """

    store: ResultStore
    trials: Mapping[int, str]

    def read(self, seed: int) -> "Mapping[str, Tensor]":
        """Parameters of the tracker of a seed.

        Raises:
            UserError: its file is gone or damaged.
        """
        from study.checkpoint import read_model  # brings torch, which a plan does without

        trial_id = self.trials[seed]
        where = f"train.start_from: {self.store.study}, model of trial {trial_id}"
        data = self.store.read_checkpoint(trial_id, MODEL)
        if data is None:
            raise UserError(f"{where}: is not there any more")
        return read_model(data, where)[1]


def find_starts(study: Study, results: ResultStore) -> tuple[Study, Starts | None]:
    """Find what a study's trials start from, and write it out in full in its `train.start_from`.

    Args:
        study: as its file and the command line have it.
        results: of any study in the folder to look in.

    Raises:
        UserError: no such study, no finished trial of it for one of the seeds, several configurations, or no model.
    """
    if study.train.start_from is None:
        return study, None
    name, *ids = study.train.start_from.split("/")
    stores = {store.study: store for store in (results, *results.others())}
    if name == study.name or name not in stores:
        raise UserError(
            f"train.start_from: no results of a study {name!r} in {results.root_address}; "
            f"{nearest(name, [other for other in stores if other != study.name])}; run it first"
        )
    store = stores[name]
    rows = [row for row in store.trials() if row["status"] == "completed" and row["imported_from"] is None]
    kinds = sorted({(row["configuration_id"], row["data_hash"]) for row in rows})
    meant = [kind for kind in kinds if all(full.startswith(part) for full, part in zip(kind, ids, strict=False))]
    if not meant:
        raise UserError(f"train.start_from: {study.train.start_from!r} is no completed configuration; {_told(kinds)}")
    if len(meant) > 1:
        raise UserError(
            f"train.start_from: {name} has {len(meant)} completed configurations; choose one as "
            f"'{name}/CONFIGURATION_ID'; {_told(meant)}"
        )
    trials = {row["seed"]: row["trial_id"] for row in rows if (row["configuration_id"], row["data_hash"]) == meant[0]}
    _refuse_missing(study, store, trials)
    train = study.train.model_copy(update={"start_from": "/".join((name, *meant[0]))})
    return study.model_copy(update={"train": train}), Starts(store, trials)


def _told(kinds: Iterable[tuple[str, str]]) -> str:
    return f"found {', '.join('/'.join(kind) for kind in kinds) or 'none'}"


def _refuse_missing(study: Study, store: ResultStore, trials: Mapping[int, Any]) -> None:
    for seed in study.seeds:
        if seed not in trials:
            raise UserError(
                f"train.start_from: {store.study} has no completed trial with seed {seed}, found seeds "
                f"{', '.join(map(str, sorted(trials)))}; run it with --seeds {','.join(map(str, study.seeds))}"
            )
        if not store.has_checkpoint(trials[seed], MODEL):
            raise UserError(
                f"train.start_from: the model of {store.study}'s trial with seed {seed} was not kept; set "
                "execution.keep_checkpoints to 'all' in that study, delete "
                f"{store.folder.address}/trials/{trials[seed]}.parquet, and that trial runs again"
            )


def refuse_misfits(configurations: Iterable[Configuration], starts: Starts, seed: int) -> None:
    """Refuse trackers that cannot start from the one of a seed, before anything runs.

    Raises:
        UserError: another architecture, or a damaged file.
    """
    from study.checkpoint import misfit

    state = starts.read(seed)
    for configuration in configurations:
        reason = misfit(configuration.tracker.build(configuration.objective, None), state)
        if reason is not None:
            raise UserError(
                f"train.start_from: the tracker of {starts.store.study} is of another architecture than this study's "
                f"({reason})"
            )

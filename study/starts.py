"""Training that starts from trackers which another study has trained: found among its results when a study is planned.

Every trial starts from the tracker of its own seed, so that what seeds differ in is the whole way. What training the
other study has cost stays with it.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Study
from study.errors import UserError, nearest
from study.object_store import shown
from study.results import MODEL, ResultStore

if TYPE_CHECKING:
    from torch import Tensor

    from study.data import Splits


@dataclass(frozen=True)
class Starts:
    """Trained trackers of one configuration.

    Attributes:
        store: results of the study that trained them.
        address: NAME/CONFIGURATION_ID/DATA_HASH, which is part of the names of trials that start here.
        trials: trial_id by seed.
        ended_at: when each was trained, by seed.
    """

    store: ResultStore
    address: str
    trials: Mapping[int, str]
    ended_at: Mapping[int, datetime]

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


def address(row: Mapping[str, Any]) -> str:
    """NAME/CONFIGURATION_ID/DATA_HASH of a row of `trials`: where a trial starts that starts from it."""
    return "/".join((row["study"], *_kind(row)))


def started_from(row: Mapping[str, Any]) -> str | None:
    """The address that the trial of a row of `trials` started from; None: from nothing."""
    start: str | None = json.loads(row["configuration"])["train"].get("start_from")
    return start


def find_starts(study: Study, results: ResultStore) -> tuple[Study, Starts | None]:
    """Find what a study's trials start from, and write it out in full in its `train.start_from`.

    Args:
        study: as its file and the command line have it.
        results: of any study in the folder to look in.

    Raises:
        UserError: no such study, no finished trial of it for one of the seeds, or several configurations.
    """
    if study.train.start_from is None:
        return study, None
    name, *ids = study.train.start_from.split("/")
    stores = {store.study: store for store in (results, *results.others())}
    if name == study.name or name not in stores:
        raise UserError(
            f"train.start_from: no results of a study {name!r} in {shown(results.root_address)}, run it first; "
            f"{nearest(name, [other for other in stores if other != study.name])}"
        )
    store = stores[name]
    rows = [row for row in store.trials() if row["status"] == "completed" and row["imported_from"] is None]
    kinds = sorted({_kind(row) for row in rows})
    meant = [kind for kind in kinds if all(full.startswith(part) for full, part in zip(kind, ids, strict=False))]
    if not meant:
        raise UserError(f"train.start_from: {study.train.start_from!r} is no completed configuration; {_told(kinds)}")
    if len(meant) > 1:
        raise UserError(
            f"train.start_from: {name} has {len(meant)} completed configurations; choose one as "
            f"'{name}/CONFIGURATION_ID'; {_told(meant)}"
        )
    trained = {row["seed"]: row for row in rows if _kind(row) == meant[0]}
    if missing := [seed for seed in study.seeds if seed not in trained]:
        raise UserError(
            f"train.start_from: {name} has no completed trial with seed {missing[0]}, found seeds "
            f"{', '.join(map(str, sorted(trained)))}; run it with --seeds {','.join(map(str, study.seeds))}"
        )
    starts = Starts(
        store,
        address(trained[study.seeds[0]]),
        {seed: trained[seed]["trial_id"] for seed in study.seeds},
        {seed: trained[seed]["ended_at"] for seed in study.seeds},
    )
    train = study.train.model_copy(update={"start_from": starts.address})
    return study.model_copy(update={"train": train}), starts


def refuse_unusable(
    starts: Starts, seeds: Collection[int], configurations: Iterable[Configuration], splits: "Splits"
) -> None:
    """Refuse to start, before anything runs, from trackers that are not there or do not fit.

    Args:
        starts: what trials start from.
        seeds: of the trials that are to start.
        configurations: all that may be tried.
        splits: what they are trained and scored on.

    Raises:
        UserError: a model that was not kept or is damaged, another architecture, or one that was trained on what the
            study is scored on.
    """
    _refuse_seen(starts, splits)
    for seed in seeds:
        if not starts.store.has_checkpoint(starts.trials[seed], MODEL):
            raise UserError(
                f"train.start_from: the model of {starts.store.study}'s trial with seed {seed} was not kept; set "
                "execution.keep_checkpoints to 'all' in that study, delete "
                f"{starts.store.folder}/trials/{starts.trials[seed]}.parquet, and that trial runs again"
            )
    if seeds:
        _refuse_misfits(configurations, starts, min(seeds))


def _kind(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["configuration_id"], row["data_hash"]


def _told(kinds: Iterable[tuple[str, str]]) -> str:
    return f"found {', '.join('/'.join(kind) for kind in kinds) or 'none'}"


def _refuse_misfits(configurations: Iterable[Configuration], starts: Starts, seed: int) -> None:
    from study.transfer import misfit

    state = starts.read(seed)
    networks = {configuration.network_id: configuration for configuration in configurations}
    for configuration in networks.values():
        reason = misfit(configuration.tracker.build(configuration.objective, None), state)
        if reason is not None:
            raise UserError(
                f"train.start_from: the tracker of {starts.store.study} is of another architecture than this study's "
                f"({reason})"
            )


def _refuse_seen(starts: Starts, splits: "Splits") -> None:
    """Refuse to score on frames that a tracker has learnt from before, however many studies ago."""
    for name, entry in _learnt_from(starts.store, starts.address):
        for split, clips in (("val", splits.val), ("test", splits.test)):
            for clip in clips:
                first, last = max(clip.first, entry["first"]), min(clip.last, entry["last"])
                if clip.sequence.name == entry["sequence"] and first <= last:
                    raise UserError(
                        f"train.start_from: {name} was trained on frames {first}-{last} of {entry['sequence']}, which "
                        f"data.{split} has too; score on other frames, or start from a tracker that has not seen them"
                    )


def _learnt_from(store: ResultStore, place: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Training clips, as manifests have them, of a study and of those that it started from, with their names."""
    stores = {one.study: one for one in (store, *store.others())}
    while place is not None and (one := stores.get(place.split("/")[0])) is not None:
        _, configuration_id, data_hash = place.split("/")
        for entry in (one.read_manifest(data_hash) or {}).get("train", ()):
            yield one.study, entry
        rows = (row for row in one.trials() if row["configuration_id"] == configuration_id)
        place = next(map(started_from, rows), None)

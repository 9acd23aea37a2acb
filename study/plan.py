"""From a study file to the trials that are to run: which are new, which are done, what they should cost.

The study file and the rows of finished trials are all the state there is: to resume is to plan again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Study, trial_id
from study.events import Trial
from study.prediction import Ahead, Predictions, predict_missing
from study.prediction.halving import expected_epochs_fraction
from study.provenance import code_hash, provenance
from study.refusals import refuse_lone_identities, refuse_unfit
from study.repository import Code, read_code
from study.results import LAST, ResultStore, differing, flatten, label, labels
from study.schema import DONE
from study.search.known import possible_configurations
from study.search.members import num_generations
from study.search.metrics import refuse_unknown_metrics
from study.search.outlook import outlook
from study.search.promotion import paused_trials, standing
from study.search_config import Search
from study.starts import Starts, find_starts, refuse_unusable

if TYPE_CHECKING:
    from study.data import Splits

__all__ = ["Plan", "Trial", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Trials of a study, on data that were read.

    Attributes:
        study: the study, with everything that was set on the command line.
        splits: training, validation and test sequences of every trial.
        cache_dir: folder of decoded frames.
        trials: configurations times seeds; every configuration's first seed comes before any second one. Of a search
            those that are known: starting points, and what has rows.
        paused: ids of trials that were stopped early, and may go on or have to.
        total: how many trials the study comes to; more than there are `trials` if a search has yet to suggest some.
        done: ids of trials that need not run.
        varying: dotted keys of the settings that differ between configurations.
        labels: by configuration_id, what tells it apart in a few words.
        predictions: what the trials should cost; their `predictor` tells it of other configurations too.
        changed: by trial_id, how code and packages of finished trials differ from those of now.
        restart: ids of finished trials that are to run again; `ResultStore.discard` each before its first attempt.
        code: state of the repository that the trials come from, wherever they run.
        starts: trained trackers that the trials start from; None: from nothing.
    """

    study: Study
    splits: "Splits"
    cache_dir: Path
    trials: tuple[Trial, ...]
    paused: frozenset[str]
    total: int
    done: frozenset[str]
    varying: tuple[str, ...]
    labels: Mapping[str, str]
    predictions: Predictions
    changed: Mapping[str, str]
    restart: frozenset[str]
    code: Code
    starts: Starts | None

    @property
    def missing(self) -> tuple[Trial, ...]:
        """Trials that are to run."""
        return tuple(trial for trial in self.trials if trial.trial_id not in self.done)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to run."""
        return len(self.done) >= self.total

    def for_workers(self) -> "Plan":
        """What a worker needs of it: all but the trials, which come one by one, and what is said of each."""
        predictions = replace(self.predictions, trials={}, missing=(), epochs_done={})
        none: frozenset[str] = frozenset()
        return replace(
            self,
            study=self.study.model_copy(update={"points": ({},)}),
            trials=(),
            paused=none,
            done=none,
            labels={},
            predictions=predictions,
            changed={},
            restart=none,
        )

    def label(self, trial: Trial) -> str:
        """A trial's configuration and seed in a few words, such as `cls=1 reg=0.1 seed=0`."""
        if trial.suggested and "generation" in trial.suggested:  # its configuration is a whole schedule
            return f"{label(trial.suggested, list(trial.suggested))} seed={trial.seed}"
        text = self.labels.get(trial.configuration_id)
        if text is None:
            text = label(flatten(trial.configuration.resolved()), self.varying)
        return f"{text} seed={trial.seed}".strip()


def make_plan(
    study: Study,
    store: ResultStore,
    *,
    cache_dir: Path,
    rerun_changed: bool = False,
    bases: ResultStore | None = None,
) -> Plan:
    """Plan a study against the rows it already has.

    Args:
        study: what to run.
        store: finished rows.
        cache_dir: folder for decoded frames and drawn sequences.
        rerun_changed: count finished trials of other code or packages as not done.
        bases: results in whose folder the study of `train.start_from` lies; default: `store`.

    Raises:
        UserError: a point that does not fit, two equal configurations or seeds, configurations on different data, a
            mistake in the data, or nothing to start from.
    """
    from study.data import read_splits
    from study.mirror import nearby

    study = _with_absolute_root(study)
    refuse_unknown_metrics(study)
    study, starts = find_starts(study, store if bases is None else bases)
    configurations = study.configurations() if study.search is None else possible_configurations(study)
    varying = tuple(differing([flatten(configuration.resolved()) for configuration in configurations]))
    places = [f"points[{i}]" if study.search is None else "search" for i in range(len(configurations))]
    refuse_unfit(study, configurations, places)
    splits = read_splits(nearby(study.data, cache_dir), cache_dir)
    refuse_lone_identities(configurations, places, splits)
    rows = {row["trial_id"]: row for row in store.trials() if row["imported_from"] is None}
    paused = paused_trials(study, rows.values(), store)
    so_far = standing(rows.values(), paused)
    if study.search is None:
        trials = _planned(configurations, study.seeds, splits.data_hash)
        total, ended = len(trials), {row["trial_id"] for row in so_far if row["status"] in DONE}
    else:
        ahead = outlook(study, so_far, splits.data_hash)
        trials, total, ended = ahead.trials, ahead.total, set(ahead.done)
    finished = [trial for trial in trials if trial.trial_id in ended]
    changed = _changed(finished, rows, starts)
    restart = frozenset(changed) if rerun_changed else frozenset()
    done = frozenset(trial.trial_id for trial in finished) - restart
    missing = [trial for trial in trials if trial.trial_id not in done]
    if starts is not None:
        fresh = {trial.seed for trial in missing if not store.has_checkpoint(trial.trial_id, LAST)}
        fresh |= set(study.seeds) if total > len(trials) else set()  # of trials that a search will suggest
        refuse_unusable(starts, fresh, configurations, splits)
    predictions = predict_missing(
        study.execution,
        splits,
        store,
        trials,
        missing,
        cache_dir,
        rows=rows.values(),
        restart=restart,
        ahead=_ahead(study, configurations, total, total - len(trials)),
    )
    named = {trial.configuration_id: flatten(trial.configuration.resolved()) for trial in trials}
    told = dict(zip(named, labels(list(named.values()), varying), strict=True))
    code, _ = read_code()
    return Plan(
        study=study,
        splits=splits,
        cache_dir=cache_dir,
        trials=trials,
        paused=paused,
        total=total,
        done=done,
        varying=varying,
        labels=told,
        predictions=predictions,
        changed=changed,
        restart=restart,
        code=code,
        starts=starts,
    )


def _ahead(study: Study, possible: Sequence[Configuration], total: int, unknown: int) -> Ahead:
    """What a search will run beyond the known trials, and how much of all of them early stopping leaves."""
    search = study.search
    others = len(study.seeds) - 1
    best = others * (search.finalists if isinstance(search, Search) else 1) if search is not None else 0
    share = expected_epochs_fraction(study.early_stopping, total - best, study.train.epochs)
    if search is None:
        return Ahead(stopping_share=share)
    again = min(best, unknown)  # at full length, in one piece
    of_first_seed = share if isinstance(search, Search) else 1 / num_generations(study)
    return Ahead(possible, unknown, (unknown - again) * of_first_seed + again, share)


def _planned(configurations: Sequence[Configuration], seeds: Sequence[int], data_hash: str) -> tuple[Trial, ...]:
    pairs = [(configuration, seed) for seed in seeds for configuration in configurations]
    return tuple(
        Trial(trial_id(name, seed, data_hash), name, configuration, seed, index)
        for index, (configuration, seed) in enumerate(pairs)
        for name in [configuration.configuration_id]
    )


def _with_absolute_root(study: Study) -> Study:
    """The study with a data folder that other processes, in other working directories, find too."""
    if study.data.folder is None:
        return study
    data = study.data.model_copy(update={"root": str(study.data.folder.absolute())})
    return study.model_copy(update={"data": data})


def _changed(finished: Sequence[Trial], rows: Mapping[str, Mapping[str, Any]], starts: Starts | None) -> dict[str, str]:
    """By trial_id, what differs between a finished row's code, packages and start and those of now."""
    here = {name: value for name, value in provenance().items() if name.endswith("_version")}
    changed = {}
    for trial in finished:
        row = rows[trial.trial_id]
        differences = ["code"] if row["code_hash"] != code_hash(trial.configuration) else []
        differences += [
            f"{name.removesuffix('_version')} {row[name]} -> {value}"
            for name, value in here.items()
            if row[name] != value
        ]
        if starts is not None and starts.ended_at[trial.seed] > row["started_at"]:
            differences.append(f"{starts.store.study} was trained again")
        if differences:
            changed[trial.trial_id] = ", ".join(differences)
    return changed

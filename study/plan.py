"""From a study file to the trials that are to run: which are new, which are done, what they should cost.

The study file and the rows of finished trials are all the state there is: to resume is to plan again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.config import Configuration, Study, digest, trial_id
from study.errors import UserError
from study.events import Trial
from study.prediction import Ahead, Predictions, predict_missing
from study.prediction.halving import expected_epochs_fraction
from study.provenance import code_hash, provenance
from study.repository import Code, read_code
from study.results import ResultStore, differing, flatten, label, labels
from study.schema import DONE
from study.search.known import possible_configurations
from study.search.members import num_generations
from study.search.metrics import refuse_unknown_metrics
from study.search.outlook import outlook
from study.search.promotion import paused_trials, standing
from study.search_config import Search
from study.space import Space, dimensions
from study.starts import Starts, find_starts, refuse_misfits

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

    study = _with_absolute_root(study)
    refuse_unknown_metrics(study)
    _refuse_equal_seeds(study)
    study, starts = find_starts(study, store if bases is None else bases)
    configurations = study.configurations() if study.search is None else possible_configurations(study)
    varying = tuple(differing([flatten(configuration.resolved()) for configuration in configurations]))
    places = [f"points[{i}]" if study.search is None else "search" for i in range(len(configurations))]
    if study.search is None:
        _refuse_equal(configurations)
    _refuse_other_grounds(study, configurations, places)
    _refuse_misfits(configurations, places)
    _refuse_other_trackers(study, configurations, places)
    if starts is not None:
        refuse_misfits(configurations, starts)
    splits = read_splits(study.data, cache_dir)
    _refuse_lone_identities(configurations, places, splits)
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
    changed = _changed(finished, rows)
    restart = frozenset(changed) if rerun_changed else frozenset()
    done = frozenset(trial.trial_id for trial in finished) - restart
    missing = [trial for trial in trials if trial.trial_id not in done]
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
    root = study.data.root
    if root is None or root.startswith("synthetic:"):
        return study
    data = study.data.model_copy(update={"root": str(Path(root).expanduser().absolute())})
    return study.model_copy(update={"data": data})


def _refuse_equal(configurations: Sequence[Configuration]) -> None:
    first: dict[str, int] = {}
    for i, configuration in enumerate(configurations):
        other = first.setdefault(configuration.configuration_id, i)
        if other != i:
            raise UserError(f"points[{other}] and points[{i}] are the same configuration; remove one")


def _refuse_other_grounds(study: Study, configurations: Sequence[Configuration], places: Sequence[str]) -> None:
    """Refuse other data, and other trackers to start from, than the study's."""
    for place, configuration in zip(places, configurations, strict=True):
        for key in ("root", "train", "val", "test"):
            if getattr(configuration.data, key) != getattr(study.data, key):
                raise UserError(
                    f"{place}: data.{key} differs from the study's; all configurations of a study are compared on "
                    "equal data: make it a study of its own"
                )
        if configuration.train.start_from != study.train.start_from:
            raise UserError(
                f"{place}: train.start_from differs from the study's; all configurations of a study start from the "
                "same: make it a study of its own"
            )


def _refuse_equal_seeds(study: Study) -> None:
    for seed, times in Counter(study.seeds).items():
        if times > 1:
            raise UserError(f"seeds: {seed} stands there {times} times; give every seed once")


def _refuse_misfits(configurations: Sequence[Configuration], places: Sequence[str]) -> None:
    """Refuse a weighting that does not fit the objective before anything runs."""
    from study.losses import TaskLoss  # brings torch, which the list of studies does without

    for place, configuration in zip(places, configurations, strict=True):
        try:
            weighting = configuration.weighting.build(configuration.objective.tasks)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        for task_loss in configuration.objective.task_losses if weighting.needs_performance else ():
            if type(task_loss.build()).performance is TaskLoss.performance:
                raise UserError(
                    f"{place}: weighting {configuration.weighting.kind()} looks at key performance indicators, and "
                    f"task loss {task_loss.name!r} has none (TaskLoss.performance); choose another of them"
                )


def _refuse_lone_identities(configurations: Sequence[Configuration], places: Sequence[str], splits: "Splits") -> None:
    """Refuse what learns from identities where nobody is seen twice, as in annotations that were made of detections."""
    from study.data.statistics import recurs

    known: dict[float, bool] = {}
    for place, configuration in zip(places, configurations, strict=True):
        least = configuration.data.min_visibility
        learners = [
            f"task loss {loss.name!r}" for loss in configuration.objective.task_losses if loss.identities() == "labels"
        ]
        if configuration.tracker.num_frames > 1:
            learners.append(f"tracker {configuration.tracker.kind()!r}")
        if learners and not known.setdefault(least, recurs(splits.train, least)):
            raise UserError(
                f"{place}: {', '.join(learners)} learn from identities, and none of the training data has boxes in two "
                "frames; expected one number an object in the second column of gt.txt, or losses and a tracker that do "
                "without, such as clmot on center"
            )


def _refuse_other_trackers(study: Study, configurations: Sequence[Configuration], places: Sequence[str]) -> None:
    """Refuse a comparison in which a weighting comes with a network of its own.

    Networks may vary in a study, if each is trained under the same weightings; in a search, if network and weighting
    are chosen apart from each other.
    """
    networks = [digest([plain["tracker"], plain["objective"]]) for plain in (c.resolved() for c in configurations)]
    first_of = {network: i for i, network in reversed(list(enumerate(networks)))}
    if len(first_of) == 1:
        return
    sizes = {network: _num_parameters(configurations[i]) for network, i in first_of.items()}
    if isinstance(study.search, Search):
        together = _chosen_together(study.search.space)
        if together is not None and len(set(sizes.values())) > 1:
            raise UserError(
                f"search.space: {together} chooses the weighting together with trackers of {min(sizes.values()):,} to "
                f"{max(sizes.values()):,} parameters: that compares architectures, not weightings; search the tracker "
                "by a dimension of its own"
            )
        return
    weightings: dict[int, set[str]] = {}
    for network, configuration in zip(networks, configurations, strict=True):
        weightings.setdefault(sizes[network], set()).add(digest(configuration.resolved()["weighting"]))
    expected = weightings[sizes[networks[0]]]
    for place, network in zip(places, networks, strict=True):
        if weightings[sizes[network]] != expected:
            raise UserError(
                f"{place} trains a tracker of {sizes[network]:,} parameters and {places[0]} one of "
                f"{sizes[networks[0]]:,}, under different weightings: that compares architectures, not weightings; "
                "give every weighting the same tracker, or every tracker all weightings"
            )


def _chosen_together(space: Space) -> str | None:
    """The dimension, if there is one, whose choice decides on weighting and network at once."""
    for name, dimension in space.items():
        rooms = {key.partition(".")[0] for key, _ in dimensions({name: dimension})}
        if "weighting" in rooms and rooms & {"tracker", "objective"}:
            return name
    return None


def _num_parameters(configuration: Configuration) -> int:
    from torch.nn.parameter import UninitializedParameter  # here: a plan of one network needs no torch

    tracker = configuration.tracker.build(configuration.objective, None)
    # A classifier over the training identities has no size without them; tracking does without it.
    known = (parameter for parameter in tracker.parameters() if not isinstance(parameter, UninitializedParameter))
    return sum(parameter.numel() for parameter in known)


def _changed(finished: Sequence[Trial], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By trial_id, what differs between a finished row's code and packages and those of now."""
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
        if differences:
            changed[trial.trial_id] = ", ".join(differences)
    return changed

"""Studies that would not answer their question are refused before anything runs.

Every trial on equal data, from an equal start, with a network that does not depend on its weighting, and each part
fit for the others.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.config import Configuration, Study, digest
from study.errors import UserError
from study.search_config import Search
from study.space import Space, dimensions

if TYPE_CHECKING:
    from study.data import Splits


def refuse_unfit(study: Study, configurations: Sequence[Configuration], places: Sequence[str]) -> None:
    """Refuse what makes no sense, or no comparison.

    Args:
        study: which they are of.
        configurations: all that may be tried.
        places: what to call each in errors.

    Raises:
        UserError: equal seeds or configurations, other data or another start than the study's, a weighting or a tracker
            that does not fit the objective, or trackers that vary together with the weighting.
    """
    _refuse_equal_seeds(study)
    if study.search is None:
        _refuse_equal(configurations)
    _refuse_other_grounds(study, configurations, places)
    _refuse_misfits(configurations, places)
    _refuse_other_trackers(study, configurations, places, _sizes(configurations, places))


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
                "same: set it in the study's own train, and in points other settings by their keys, such as train.lr"
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
            for part in (configuration.tracker, configuration.weighting, *configuration.objective.task_losses):
                part.check()
            weighting = configuration.weighting.build(configuration.objective.tasks)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        for task_loss in configuration.objective.task_losses if weighting.needs_performance else ():
            if type(task_loss.build()).performance is TaskLoss.performance:
                raise UserError(
                    f"{place}: weighting {configuration.weighting.kind()} looks at key performance indicators, and "
                    f"task loss {task_loss.name!r} has none (TaskLoss.performance); choose another of them"
                )


def refuse_lone_identities(configurations: Sequence[Configuration], places: Sequence[str], splits: "Splits") -> None:
    """Refuse what learns from identities where nobody is seen twice, as in annotations that were made of detections.

    Raises:
        UserError: such a configuration.
    """
    from study.data.statistics import recurs

    known = {
        least: recurs(splits.train, least)
        for least in {configuration.data.min_visibility for configuration in configurations}
    }
    for place, configuration in zip(places, configurations, strict=True):
        learners = [
            f"task loss {loss.name!r}" for loss in configuration.objective.task_losses if loss.identities() == "labels"
        ]
        if configuration.tracker.num_frames > 1:
            learners.append(f"tracker {configuration.tracker.kind()!r}")
        if learners and not known[configuration.data.min_visibility]:
            raise UserError(
                f"{place}: {', '.join(learners)} learn from identities, and none of the training data has boxes in two "
                "frames; expected one number an object in the second column of gt.txt, or losses and a tracker that do "
                "without, such as clmot on center"
            )


def _refuse_other_trackers(
    study: Study, configurations: Sequence[Configuration], places: Sequence[str], sizes: Sequence[int]
) -> None:
    """Refuse a comparison in which a weighting comes with a network of its own.

    Networks may vary in a study, if each is trained under the same weightings; in a search, if network and weighting
    are chosen apart from each other.
    """
    if len(set(sizes)) <= 1:
        return
    if isinstance(study.search, Search):
        together = _chosen_together(study.search.space)
        if together is not None:
            raise UserError(
                f"search.space: {together} chooses the weighting together with trackers of {min(sizes):,} to "
                f"{max(sizes):,} parameters: that compares architectures, not weightings; search the tracker by a "
                "dimension of its own"
            )
        return
    weightings: dict[int, set[str]] = {}
    for size, configuration in zip(sizes, configurations, strict=True):
        weightings.setdefault(size, set()).add(digest(configuration.resolved()["weighting"]))
    for place, size in zip(places, sizes, strict=True):
        if weightings[size] != weightings[sizes[0]]:
            raise UserError(
                f"{place} trains a tracker of {size:,} parameters and {places[0]} one of {sizes[0]:,}, under different "
                "weightings: that compares architectures, not weightings; give every weighting the same tracker, or "
                "every tracker all weightings"
            )


def _chosen_together(space: Space) -> str | None:
    """The dimension, if there is one, whose choice decides on weighting and network at once."""
    for name, dimension in space.items():
        rooms = {key.partition(".")[0] for key, _ in dimensions({name: dimension})}
        if "weighting" in rooms and rooms & {"tracker", "objective"}:
            return name
    return None


def _sizes(configurations: Sequence[Configuration], places: Sequence[str]) -> list[int]:
    """Parameters of every configuration's network; building it tells whether tracker and objective fit each other."""
    known: dict[str, int] = {}
    sizes = []
    for place, configuration in zip(places, configurations, strict=True):
        if (network := configuration.network_id) not in known:
            try:
                known[network] = _num_parameters(configuration)
            except UserError as error:
                raise UserError(f"{place}: {error}") from None
        sizes.append(known[network])
    return sizes


def _num_parameters(configuration: Configuration) -> int:
    from torch.nn.parameter import UninitializedParameter  # here: the list of studies does without torch

    tracker = configuration.tracker.build(configuration.objective, None)
    # A classifier over the training identities has no size without them; tracking does without it.
    known = (parameter for parameter in tracker.parameters() if not isinstance(parameter, UninitializedParameter))
    return sum(parameter.numel() for parameter in known)

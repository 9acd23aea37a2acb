"""Population-based training as a tree of trials: what every member does follows from the rows of the generation before.

A member of generation g is a trial whose weighting is the schedule of loss weights that it and its ancestors trained
under. It starts from its parent's checkpoint, which spares it the epochs that it shares with its parent, and stops at
the end of its generation. Its configuration says everything: from nothing it would come out the same.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from study.config import Configuration, Study, trial_id
from study.draw import RandomDraw
from study.errors import UserError
from study.events import Trial
from study.search.metrics import better, is_figure
from study.search_config import Population
from study.space import Simplex, normalized

Stages = tuple[dict[str, float], ...]


def num_generations(study: Study) -> int:
    """How many generations a population has."""
    assert isinstance(study.search, Population)
    return math.ceil(study.train.epochs / study.search.epochs_per_generation)


def schedule(study: Study, stages: Sequence[Mapping[str, float]]) -> Configuration:
    """Configuration that trains under these loss weights, one stage a generation."""
    assert isinstance(study.search, Population)
    weighting = {
        "kind": "hwf_schedule",
        "stages": [dict(stage) for stage in stages],
        "epochs_per_stage": study.search.epochs_per_generation,
    }
    return study.configuration({"weighting": weighting}, "search.weights")


def generations(study: Study, rows: Sequence[Mapping[str, Any]], data_hash: str) -> list[list[Trial]]:
    """Members of every generation that can be told from the rows: all up to the first that has not ended.

    Args:
        study: a study that searches by a `Population`.
        rows: rows of `trials`.
        data_hash: hash of the data.
    """
    search = study.search
    assert isinstance(search, Population)
    ended = {row["trial_id"]: row for row in rows if row["status"] != "interrupted"}
    lineages: list[tuple[Stages, str | None]] = [((weights,), None) for weights in first_weights(study)]
    found: list[list[Trial]] = []
    for generation in range(num_generations(study)):
        members = [
            _trial(study, data_hash, generation, member, stages, parent)
            for member, (stages, parent) in enumerate(lineages)
        ]
        found.append(members)
        if any(trial.trial_id not in ended for trial in members):
            break
        figures = [ended[trial.trial_id].get(search.metric) for trial in members]
        lineages = [
            (stages, members[parent].trial_id)
            for stages, parent in _next(study, search, generation, [stages for stages, _ in lineages], figures)
        ]
    return found


def _trial(study: Study, data_hash: str, generation: int, member: int, stages: Stages, parent: str | None) -> Trial:
    search = study.search
    assert isinstance(search, Population)
    configuration = schedule(study, stages)
    name = configuration.configuration_id
    seed = study.seeds[0]
    until = min((generation + 1) * search.epochs_per_generation, study.train.epochs)
    return Trial(
        trial_id(name, seed, data_hash),
        name,
        configuration,
        seed,
        generation * search.size + member,
        suggested={"generation": generation + 1, "member": member + 1, **stages[-1]},
        until=until if until < study.train.epochs else None,
        parent=parent,
    )


def first_weights(study: Study) -> list[dict[str, float]]:
    """Loss weights of the members of the first generation.

    Raises:
        UserError: two members, or loss weights, that are no beginning.
    """
    search = study.search
    assert isinstance(search, Population)
    found: list[dict[str, float]] = []
    for i, given in enumerate(search.start):
        try:
            placed = _placed(search, {task: given.get(task, 1.0) for task in study.objective.tasks})
        except UserError as error:
            raise UserError(f"search.start[{i}]: {error}") from None
        if placed in found:
            raise UserError(f"search.start[{found.index(placed)}] and search.start[{i}] are the same loss weights")
        found.append(placed)
    others = range(len(found), search.size)
    return [*found, *(_drawn(study, search, _random(search, 0, member)) for member in others)]


def _next(
    study: Study, search: Population, generation: int, lineages: Sequence[Stages], figures: Sequence[Any]
) -> list[tuple[Stages, int]]:
    """Lineage and parent of each member of the next generation; without a figure a member counts as the worst."""

    def rank(member: int) -> tuple[bool, float]:
        figure = figures[member]
        return (True, better(search.metric) * figure) if is_figure(figure) else (False, 0.0)

    order = sorted(range(len(figures)), key=rank, reverse=True)
    replaced = min(max(1, round(search.truncation * search.size)), search.size // 2)
    best, worst = order[:replaced], set(order[-replaced:])
    following: list[tuple[Stages, int]] = []
    for member, stages in enumerate(lineages):
        draw = _random(search, generation + 1, member)
        if member not in worst:
            following.append(((*stages, stages[-1]), member))
            continue
        parent = draw.choice(best)
        if draw.random() < search.resample_probability:
            weights = _drawn(study, search, draw)
        else:
            weights = _placed(
                search,
                {task: weight * search.factor ** draw.uniform(-1, 1) for task, weight in lineages[parent][-1].items()},
            )
        following.append(((*lineages[parent], weights), parent))
    return following


def _drawn(study: Study, search: Population, draw: random.Random) -> dict[str, float]:
    weights: dict[str, float] = search.weights.choose(RandomDraw(draw), "", study.objective.tasks)[""]
    return weights


def _placed(search: Population, weights: Mapping[str, float]) -> dict[str, float]:
    """Loss weights where the space has them: on the simplex, or within the range of each."""
    if isinstance(search.weights, Simplex):
        return dict(zip(weights, normalized(list(weights.values())), strict=True))
    low, high = search.weights.low, search.weights.high
    return {task: min(max(weight, low), high) for task, weight in weights.items()}


def _random(search: Population, generation: int, member: int) -> random.Random:
    return random.Random(f"{search.sampler_seed}/{generation}/{member}")

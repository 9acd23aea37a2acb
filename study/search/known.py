"""What is known of a search before it runs: which rows are results of it, and which settings it varies."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from study.config import Configuration, Study, trial_id
from study.errors import UserError
from study.events import Trial
from study.search.members import RandomDraw, generations, num_generations, schedule
from study.search_config import Population, Search
from study.space import Fixed, choose, num_points, parameters

_DRAWS = 64
"""Points drawn at random to learn what a space varies, and whether all of it is possible."""


def known_trials(study: Study, rows: Sequence[Mapping[str, Any]], data_hash: str) -> tuple[Trial, ...]:
    """Trials of a study's search that are known already: starting points, what has rows, and what follows from them.

    Args:
        study: a study with a search.
        rows: rows of `trials`, of any configuration.
        data_hash: hash of the data.

    Raises:
        UserError: a starting point that does not fit.
    """
    rows = [row for row in rows if row["data_hash"] == data_hash and row["imported_from"] is None]
    seed, *others = study.seeds
    if isinstance(study.search, Population):
        found = {t.trial_id: t for generation in generations(study, rows, data_hash) for t in generation}
        first = {t.configuration_id: t for t in found.values()}
    else:
        assert study.search is not None
        first = {}
        for configuration, chosen in start_points(study, study.search):
            new = make_trial(configuration, seed, data_hash, len(first), chosen)
            first.setdefault(new.configuration_id, new)
        for row in sorted(rows, key=lambda row: (row["started_at"] is None, row["started_at"])):
            if row["seed"] == seed and row["configuration_id"] not in first:
                chosen_of_row = parameters_of(study, study.search, row)
                if chosen_of_row is not None:
                    configuration = at(study, study.search, chosen_of_row, "row")
                    new = make_trial(configuration, seed, data_hash, len(first), chosen_of_row)
                    first[new.configuration_id] = new
        found = {t.trial_id: t for t in first.values()}
    again = [(row["configuration_id"], row["seed"]) for row in rows if row["seed"] in others]
    for name, other in again:
        if name in first:
            of = first[name]
            new = make_trial(of.configuration, other, data_hash, len(found), of.suggested)
            found[new.trial_id] = new
    return tuple(found.values())


def make_trial(
    configuration: Configuration, seed: int, data_hash: str, index: int, chosen: Mapping[str, Any] | None
) -> Trial:
    """A trial of a configuration that a search chose."""
    name = configuration.configuration_id
    return Trial(trial_id(name, seed, data_hash), name, configuration, seed, index, chosen)


def start_points(study: Study, search: Search) -> tuple[tuple[Configuration, dict[str, Any]], ...]:
    """Configurations and parameters of a search's starting points.

    A point is moved to where the space has it: loss weights on a simplex get the sum T.

    Raises:
        UserError: a point that does not fit, or lies outside the space.
    """
    found = []
    for i, point in enumerate(search.start):
        where = f"search.start[{i}]"
        given = study.configuration(point, where)
        try:
            chosen = parameters(search.space, given.resolved(), study.objective.tasks)
        except UserError as error:
            raise UserError(f"{where} is outside of search.space: {error}") from None
        found.append((at(study, search, chosen, where), chosen))
    return tuple(found)


def at(study: Study, search: Search, chosen: Mapping[str, Any], where: str) -> Configuration:
    """Configuration of a search's parameters.

    Raises:
        UserError: parameters that are outside of the space.
    """
    return study.configuration(choose(search.space, Fixed(chosen), study.objective.tasks), where)


def parameters_of(study: Study, search: Search, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameters of a row of `trials` if the search could suggest its very configuration, else None."""
    try:
        if row["suggested"] is not None:
            chosen = json.loads(row["suggested"])
        else:
            chosen = parameters(search.space, json.loads(row["configuration"]), study.objective.tasks)
        return chosen if at(study, search, chosen, "row").configuration_id == row["configuration_id"] else None
    except UserError:
        return None


def possible_configurations(study: Study) -> tuple[Configuration, ...]:
    """Some configurations that a study's search could suggest, among them its starting points.

    Raises:
        UserError: a key that does not exist, or a value that does not fit.
    """
    search = study.search
    if isinstance(search, Population):
        return tuple(schedule(study, [weights]) for weights in _first_members(study, search))
    assert search is not None
    draw = RandomDraw(random.Random(0))
    tasks = study.objective.tasks
    drawn = [study.configuration(choose(search.space, draw, tasks), "search.space") for _ in range(_DRAWS)]
    return (*(configuration for configuration, _ in start_points(study, search)), *drawn)


def num_trials(study: Study) -> int:
    """How many trials a search comes to, if nothing goes wrong."""
    search, others = study.search, len(study.seeds) - 1
    if isinstance(search, Population):
        return search.size * num_generations(study) + others
    assert search is not None
    tried = int(min(search.num_configurations, num_points(search.space)))
    return tried + min(search.finalists, tried) * others


def _first_members(study: Study, search: Population) -> list[dict[str, float]]:
    draw = RandomDraw(random.Random(0))
    tasks = study.objective.tasks
    drawn = [search.weights.choose(draw, "weights", tasks)[""] for _ in range(_DRAWS)]
    return [*(dict(weights) for weights in search.start), *drawn]

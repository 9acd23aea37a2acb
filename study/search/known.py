"""What is known of a search before it runs: which rows are results of it, and which settings it varies."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from study.config import Configuration, Study, trial_id
from study.draw import Fixed, RandomDraw
from study.errors import UserError
from study.events import Trial
from study.rows import differing, flatten
from study.search.members import first_weights, generations, schedule
from study.search_config import Population, Search
from study.space import Choice, Option, Space, choose, dimensions, parameters

_DRAWS = 64
"""Points drawn at random to learn what a space varies, and whether all of it is possible."""

_MOST_TURNS = 1000
"""Points drawn to see every value of every choice once."""


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
        for row in sorted(rows, key=lambda row: row["started_at"] or row["ended_at"]):
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
        UserError: a point that does not fit, lies outside the space, or sets what is not searched.
    """
    found = []
    for i, point in enumerate(search.start):
        where = f"search.start[{i}]"
        given = study.configuration(point, where)
        try:
            chosen = parameters(search.space, given.resolved(), study.objective.tasks)
        except UserError as error:
            raise UserError(f"{where} is outside of search.space: {error}") from None
        placed = at(study, search, chosen, where)
        searched = choose(search.space, Fixed(chosen), study.objective.tasks)
        for key in differing([flatten(given.resolved()), flatten(placed.resolved())]):
            within = [name for name, _ in dimensions(search.space) if f"{key}.".startswith(f"{name}.")]
            if max(within, key=len, default=None) not in searched:
                raise UserError(f"{where} sets {key}, which search.space does not search there; leave it out")
        found.append((placed, chosen))
    return tuple(found)


def at(study: Study, search: Search, chosen: Mapping[str, Any], where: str) -> Configuration:
    """Configuration of a search's parameters.

    Raises:
        UserError: parameters that are outside of the space.
    """
    return study.configuration(choose(search.space, Fixed(chosen), study.objective.tasks), where)


def parameters_of(study: Study, search: Search, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameters of a row of `trials` if the search could suggest its very configuration, else None.

    They are noted in the row; those found from its configuration may be rounded. But a search of another space may have
    noted them under other names.
    """
    noted = json.loads(row["suggested"] or "{}")
    for look in (
        lambda: noted,
        lambda: parameters(search.space, json.loads(row["configuration"]), study.objective.tasks),
    ):
        with suppress(UserError):
            chosen = look()
            if at(study, search, chosen, "row").configuration_id == row["configuration_id"]:
                return chosen
    return None


def possible_configurations(study: Study) -> tuple[Configuration, ...]:
    """Some configurations that a study's search could suggest: starting points, every value of a choice, random ones.

    Raises:
        UserError: a key that does not exist, or a value that does not fit.
    """
    search = study.search
    tasks = study.objective.tasks
    if isinstance(search, Population):
        draw = RandomDraw(random.Random(0))
        drawn = [search.weights.choose(draw, "weights", tasks)[""] for _ in range(_DRAWS)]
        weights = [*search.start, *first_weights(study), *drawn]
        return tuple(schedule(study, [of_member]) for of_member in weights)
    assert search is not None
    starting = [configuration for configuration, _ in start_points(study, search)]
    in_turn, at_random = _InTurn(random.Random(0)), RandomDraw(random.Random(0))
    turns = min(_num_turns(search.space), _MOST_TURNS)
    points = [choose(search.space, draw, tasks) for draw in (*[in_turn] * turns, *[at_random] * _DRAWS)]
    return (*starting, *(study.configuration(point, "search.space") for point in points))


class _InTurn(RandomDraw):
    """Chooses at random, but among several values one after the other."""

    def __init__(self, source: random.Random) -> None:
        super().__init__(source)
        self._turns: Counter[str] = Counter()

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        self._turns[name] += 1
        return choices[self._turns[name] % len(choices)]


def _num_turns(space: Space) -> int:
    """Draws in which every value of every choice has its turn."""
    most = 1
    for dimension in space.values():
        if isinstance(dimension, Choice):
            below = [_num_turns(value.space) for value in dimension.values if isinstance(value, Option)]
            most = max(most, len(dimension.values) * max(below, default=1))
    return most

"""What a search comes to, as far as its rows tell: which trials, how many in all, and which of them need not run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.config import Study
from study.events import Trial
from study.schema import DONE
from study.search.finalists import finalists
from study.search.known import known_trials
from study.search.members import generations, num_generations
from study.search_config import Population
from study.space import num_points


@dataclass(frozen=True)
class Outlook:
    """Trials of a search.

    Attributes:
        trials: those that are known: starting points, what has rows, what follows from them.
        total: how many there will be; an estimate as long as nobody knows which are the finalists.
        done: ids of trials that need not run.
    """

    trials: tuple[Trial, ...]
    total: int
    done: frozenset[str]


def outlook(study: Study, rows: Sequence[Mapping[str, Any]], data_hash: str) -> Outlook:
    """Look ahead from the rows.

    Args:
        study: a study with a search.
        rows: rows of `trials`, of any configuration.
        data_hash: hash of the data.

    Raises:
        UserError: a starting point that does not fit.
    """
    known = known_trials(study, rows, data_hash)
    status = {row["trial_id"]: row["status"] for row in rows}
    tried = [trial for trial in known if trial.seed == study.seeds[0]]
    done = {trial.trial_id for trial in known if status.get(trial.trial_id) in _standing(study, trial)}
    to_come = _to_come(study, tried, rows, data_hash)
    if to_come or not done.issuperset(trial.trial_id for trial in tried):
        best = 1 if isinstance(study.search, Population) else study.search.finalists  # type: ignore[union-attr]
        again = min(best, len(tried) + to_come) * (len(study.seeds) - 1)
        return Outlook(known, len(known) + to_come + again, frozenset(done))
    left = finalists(study, rows, data_hash)
    trials = {trial.trial_id: trial for trial in (*known, *left)}
    return Outlook(tuple(trials.values()), len(trials), frozenset(trials.keys() - {trial.trial_id for trial in left}))


def _standing(study: Study, trial: Trial) -> frozenset[str]:
    """Statuses with which a trial need not run again."""
    if isinstance(study.search, Population) and trial.seed == study.seeds[0]:
        return DONE | {"failed", "oom", "timeout"}  # the generation after it went on without it
    return DONE


def _to_come(study: Study, tried: Sequence[Trial], rows: Sequence[Mapping[str, Any]], data_hash: str) -> int:
    """How many trials under the first seed nobody knows yet."""
    search = study.search
    if isinstance(search, Population):
        return search.size * (num_generations(study) - len(generations(study, rows, data_hash)))
    assert search is not None
    return max(0, int(min(search.num_configurations, num_points(search.space))) - len(tried))

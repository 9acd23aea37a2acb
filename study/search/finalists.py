"""The best of a search, to run again under seeds that chose nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.config import Study
from study.events import Trial
from study.schema import DONE
from study.search.known import known_trials, make_trial
from study.search.metrics import better, is_figure
from study.search_config import Search


def finalists(study: Study, rows: Sequence[Mapping[str, Any]], data_hash: str) -> list[Trial]:
    """Trials of the best configurations under the study's other seeds that are not done yet.

    The best are those whose trial under the first seed completed with the best figure, the first objective's if there
    are several.

    Args:
        study: a study with a search.
        rows: rows of `trials`.
        data_hash: hash of the data.
    """
    search = study.search
    assert search is not None
    name, number = (search.objectives[0], search.finalists) if isinstance(search, Search) else (search.metric, 1)
    seed, *others = study.seeds
    by_id = {row["trial_id"]: row for row in rows}
    known = known_trials(study, rows, data_hash)
    candidates = [
        (better(name) * row[name], trial)
        for trial in known
        if trial.seed == seed and trial.until is None and (row := by_id.get(trial.trial_id)) is not None
        if row["status"] == "completed" and is_figure(row[name])
    ]
    best = sorted(candidates, key=lambda candidate: candidate[0], reverse=True)[:number]
    again = [
        make_trial(trial.configuration, other, data_hash, len(known) + place, trial.suggested)
        for place, (other, (_, trial)) in enumerate((other, entry) for other in others for entry in best)
    ]
    return [trial for trial in again if by_id.get(trial.trial_id, {}).get("status") not in DONE]

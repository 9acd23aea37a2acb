"""The proposer of a study: its points, or its search and then its finalists."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from study.config import Study
from study.events import Trial
from study.results import ResultStore
from study.search.finalists import finalists
from study.search.promotion import Promoting, Rungs
from study.search.proposer import Generations, Planned, Proposer, Stages
from study.search_config import Search


def make_proposer(
    study: Study,
    data_hash: str,
    missing: Sequence[Trial],
    store: ResultStore,
    *,
    note: Callable[[str], None],
    rungs: Rungs | None = None,
    paused: Collection[str] = (),
    settle: Callable[[Trial], Mapping[str, Any]] = lambda _: {},
) -> Proposer:
    """The proposer of what a study still has to run.

    Args:
        study: the study.
        data_hash: hash of its data.
        missing: trials that are known and not done.
        store: rows of finished trials, and the place of the search's storage.
        note: called with a line on what the user should know.
        rungs: at which trials pause, if they do.
        paused: ids of those that have.
        settle: called with one that will never go on; returns its figures by column of `trials`.

    Raises:
        UserError: the storage cannot be written.
    """

    def promoting(inner: Proposer) -> Proposer:
        return inner if rungs is None else Promoting(inner, rungs, paused, settle)

    if study.search is None:
        return promoting(Planned(missing))

    def search() -> Proposer:
        if isinstance(study.search, Search):
            from study.search.suggestions import Suggestions  # brings optuna

            return promoting(Suggestions(study, data_hash, store, paused, note))
        return Generations(study, data_hash, store)

    if len(study.seeds) == 1:
        return search()
    return Stages([search, lambda: Planned(finalists(study, store.trials(), data_hash))])

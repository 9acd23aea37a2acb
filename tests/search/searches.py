"""Searches whose trials never ran: real rows, real storage, figures computed from the configuration."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from example_rows import DATA_HASH, make_row, make_study

from study.config import Study, Train
from study.events import Trial
from study.results import ResultStore
from study.schema import SCHEMAS
from study.search.promotion import paused_trials
from study.search.suggestions import Suggestions
from study.search_config import Population, Search
from study.space import Simplex

SPACE = {"weighting.loss_weights": Simplex(ratio=5)}
EPOCHS = 4


def search_study(num_configurations: int = 4, *, space: Any = None, **changes: Any) -> Study:
    """A study that searches; settings of the search, and `seeds`, `early_stopping` and so on of the study."""
    of_study = {name: changes.pop(name) for name in list(changes) if name in Study.model_fields}
    search = Search(space=space or SPACE, num_configurations=num_configurations, **changes)
    return make_study(search=search, **of_study)


def population_study(seeds: tuple[int, ...] = (0,), epochs: int = 6, **settings: Any) -> Study:
    """A study whose population has three generations of two epochs, and draws nothing anew."""
    search = Population(**({"size": 6, "epochs_per_generation": 2, "resample_probability": 0.0} | settings))
    return make_study(search=search, train=Train(epochs=epochs), seeds=seeds)


def kept(*rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `trials` as they are read: with every column."""
    return [dict.fromkeys(SCHEMAS["trials"].names) | dict(row) for row in rows]


def mota(trial: Trial) -> float:
    """Best where all loss weights and settings of training are at their defaults."""
    plain = trial.configuration.resolved()
    weights = plain["weighting"].get("loss_weights", {}).values()
    distance = sum(math.log(weight) ** 2 for weight in weights)
    return 0.6 - 0.01 * distance - abs(math.log(plain["train"]["lr"] / 2e-3)) / 100 - plain["train"]["epochs"] / 1000


@dataclass
class Driver:
    """Runs a search as `study.execute` does, one trial at a time; stops where it can be killed."""

    study: Study
    results: Path | str
    notes: list[str] = field(default_factory=list)
    suggested: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ResultStore(self.results, self.study.name)

    def open(self) -> Suggestions:
        paused = paused_trials(self.study, self.store.trials(), self.store)
        return Suggestions(self.study, DATA_HASH, self.store, paused, self.notes.append)

    def steps(self, status_of: Any = lambda _: "completed", most: float = math.inf) -> Any:
        """A generator: whoever leaves it without closing is a driver that was killed."""
        suggestions = self.open()
        yield "opened"
        while most > 0 and (trial := suggestions.next()) is not None:
            most -= 1
            self.suggested.append(trial)
            yield "suggested"
            status = status_of(trial)
            for epoch in range(1, EPOCHS if status == "completed" else 2):
                suggestions.progress(trial, epoch, {"val_mota": epoch / EPOCHS * mota(trial)})
            yield "progressed"
            figures = self.write(trial, status)
            yield "written"
            suggestions.tell(trial, status, figures)
            yield "told"
        suggestions.close()

    def run(self, **options: Any) -> list[Trial]:
        """All steps; returns what was suggested."""
        before = len(self.suggested)
        for _ in self.steps(**options):
            pass
        return self.suggested[before:]

    def write(self, trial: Trial, status: str = "completed", **values: Any) -> dict[str, Any]:
        """The row of a trial that ended in this way."""
        if status not in ("completed", "pruned"):
            row = make_row(trial, None, status=status, **values)
        elif status == "pruned":
            row = make_row(trial, mota(trial) / EPOCHS, status=status, epochs=1, **values)
        else:
            row = make_row(trial, mota(trial), **values)
        self.store.write_trial(row)
        return row

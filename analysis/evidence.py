"""The rows of a results folder as a report needs them: split by conditions, large tables read for few trials only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.conditions import conditions
from analysis.contrasts import Baseline, contrasts, find_baseline
from analysis.methods import Method, find_methods, methods
from study.claim import is_running, read_claim
from study.errors import UserError
from study.files import open_folder
from study.object_store import shown
from study.progress import ended_trials, resumable
from study.results import ResultStore, load, stored_studies, table_folders
from study.schema import SCHEMAS, Table


@dataclass(frozen=True)
class Unfinished:
    """A study whose rows are not all there yet.

    Attributes:
        study: its name.
        running: whether it runs now.
        done: trials that ended for good.
        paused: trials that early stopping ended, and that may go on.
        total: trials of its plan; None if its driver left no word.
    """

    study: str
    running: bool
    done: int
    paused: int
    total: int | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """All rows of a results folder, or of one study in it; the large tables are read when asked for.

    Attributes:
        address: of the folder.
        trials: all rows of `trials`.
        unfinished: studies that run, or broke off.
    """

    address: str
    trials: pd.DataFrame
    unfinished: tuple[Unfinished, ...]

    def rows(self, table: Table, trials: pd.DataFrame) -> pd.DataFrame:
        """Rows of a table of these trials, in their order, with the columns that they have besides.

        Args:
            table: which one; there are no rows if it is not there.
            trials: study, trial_id and what else is wanted; the same trial may have run in two studies.
        """
        rows = self._load(table, frozenset(trials["trial_id"]))
        return trials.merge(rows, on=["study", "trial_id"])

    def ledger(self) -> pd.DataFrame:
        """All entries on held devices."""
        return self._load("ledger")

    def _load(self, table: Table, trial_ids: frozenset[str] | None = None) -> pd.DataFrame:
        if not table_folders(open_folder(self.address), table):
            return SCHEMAS[table].empty_table().to_pandas()
        return load(self.address, table, trial_ids=trial_ids)

    def groups(self, baseline: str | None = None, *, draw_frames: bool = True) -> list["Group"]:
        """Trials that ran under the same conditions, those with the most trials first; arguments as of `Group`.

        Raises:
            UserError: a baseline is named that no group has.
        """
        numbers = conditions(self.trials)
        order = numbers.value_counts(sort=True).index
        found = [Group(self, self.trials[numbers == number], baseline, draw_frames) for number in order]
        if baseline is not None and all(group.baseline is None for group in found):
            names = ", ".join(sorted({method.name for group in found for method in group.methods}))
            raise UserError(f"--baseline {baseline}: no such method in these rows; there are: {names}")
        return found


@dataclass(frozen=True, eq=False)
class Group:
    """Trials under the same conditions, and what follows from them.

    Attributes:
        evidence: that they are of.
        trials: their rows of `trials`.
        baseline_name: what to hold methods against, if not the plain sum; a group without it has no baseline.
        draw_frames: whether trackers may be run to draw what they do.
    """

    evidence: Evidence
    trials: pd.DataFrame
    baseline_name: str | None
    draw_frames: bool = True

    @cached_property
    def methods(self) -> list[Method]:
        """Its methods."""
        return find_methods(self.trials)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Its methods as `analysis.methods.methods` gives them, studies named where there are several.

        With `failed` seeds of the chosen configuration, and with a line for the baseline by itself if it is a point of
        a search, which otherwise only its choice would have.
        """
        table = methods(self.trials)
        failed = {(method.study, method.name): method.failed for method in self.methods}
        seeds = {(method.study, method.name): len(method.rows) for method in self.methods}
        keys = list(zip(table["study"], table["method"], strict=True))
        table["failed"], table["judged"] = [failed[key] for key in keys], [seeds[key] for key in keys]
        if self.trials["study"].nunique() > 1:
            table["method"] = table["study"] + ": " + table["method"]
        if self.baseline is None or self.baseline.method is not None:
            return table
        # A point of a grid or search: by itself it costs what its seeds cost.
        alone = methods(self.baseline.rows).assign(method=self.baseline.name, chosen="", failed=0)
        value = alone["val_mota"].iloc[0]
        above = int((table["val_mota"] >= value).sum()) if pd.notna(value) else len(table)
        return pd.concat([table.iloc[:above], alone, table.iloc[above:]], ignore_index=True)

    @cached_property
    def baseline(self) -> Baseline | None:
        """What methods are held against."""
        return find_baseline(self.methods, self.baseline_name)

    @property
    def split(self) -> str:
        """Whose figures count: `test` if there are any, else `val`."""
        return "test" if self.own["test_mota"].notna().any() else "val"

    @property
    def metric(self) -> str:
        """What methods are compared by."""
        return f"{self.split}_mota"

    @property
    def own(self) -> pd.DataFrame:
        """Rows that were not imported."""
        return self.trials[self.trials["imported_from"].isna()]

    @cached_property
    def shown(self) -> pd.DataFrame:
        """Trials that figures are of: what every method is judged by, and the baseline.

        study, trial_id, method, epochs, and whether the trial completed; in the order of the leaderboard.
        """
        parts = [method.rows.assign(method=method.title) for method in self.methods]
        if self.baseline is not None and self.baseline.method is None:
            parts.append(self.baseline.rows.assign(method=self.baseline.name))
        rows = pd.concat(parts).drop_duplicates(["study", "trial_id"])
        order = {name: place for place, name in enumerate(self.table["method"])}
        rows = rows.sort_values("method", key=lambda names: names.map(order), kind="stable")
        rows["completed"] = rows["status"] == "completed"
        return rows[["study", "trial_id", "method", "epochs", "completed"]].reset_index(drop=True)

    def rows(self, table: Table) -> pd.DataFrame:
        """Rows of a table of the trials that are shown, with their method, in the order of the leaderboard."""
        return self.evidence.rows(table, self.shown.rename(columns={"epochs": "epochs_done"}))

    @cached_property
    def sequences(self) -> pd.DataFrame:
        """Rows of `sequences` of the trials that are shown."""
        return self.evidence.rows("sequences", self.shown[["study", "trial_id"]])

    @cached_property
    def contrasts(self) -> pd.DataFrame | None:
        """Methods against the baseline; None without one."""
        if self.baseline is None:
            return None
        return contrasts(self.methods, self.baseline, self.metric, self.sequences)

    @cached_property
    def titles(self) -> pd.Series:
        """The method that each of its trials belongs to, with the index of `trials`."""
        return pd.concat([pd.Series(method.title, index=method.trials.index) for method in self.methods])[
            self.trials.index
        ]


def read_evidence(address: str | Path, studies: Sequence[str] = ()) -> Evidence:
    """Read what a report is made of.

    Args:
        address: results folder, or the folder of one study in it; local or a URI.
        studies: names of the studies to take; all if empty.

    Raises:
        UserError: no results there, none of such a study, an unreadable file, or one of another schema version.
    """
    trials = load(address)
    for name in studies:
        if name not in set(trials["study"]):
            known = ", ".join(sorted(set(trials["study"])))
            raise UserError(f"{shown(str(address))}: no rows of a study {name!r}; there are: {known}")
    if studies:
        trials = trials[trials["study"].isin(studies)].reset_index(drop=True)
    if trials.empty:
        raise UserError(
            f"{shown(str(address))}: no trial has a row yet; 'python -m study.run STUDY' writes them as trials end"
        )
    found = (_unfinished(address, study, trials[trials["study"] == study]) for study in dict.fromkeys(trials["study"]))
    return Evidence(str(address), trials, tuple(state for state in found if state is not None))


def _unfinished(address: str | Path, study: str, trials: pd.DataFrame) -> Unfinished | None:
    store = store_of(address, study)
    own = trials[trials["imported_from"].isna()]
    own = own[own["data_hash"] == own.loc[own["ended_at"].idxmax(), "data_hash"]] if len(own) else own
    rows = own[["trial_id", "seed", "status", "suggested"]].to_dict("records")
    paused = resumable(rows, store)
    done = len(ended_trials(rows, paused))
    claim, running = read_claim(store), is_running(store)
    total = claim["total"] if isinstance(claim.get("total"), int) else None
    broken_off = paused or (own["status"] == "interrupted").any() or (total is not None and done < total)
    return Unfinished(study, running, done, len(paused), total) if running or broken_off else None


def store_of(address: str | Path, study: str) -> ResultStore:
    """The store of a study, to read from, whether the address is its own folder or the one that it lies in."""
    if study in stored_studies(address):
        return ResultStore(address, study, create=False)
    place, mark, query = str(open_folder(address).address).partition("?")
    return ResultStore(f"{place.rpartition('/')[0]}{mark}{query}", place.rpartition("/")[2], create=False)

"""A stored trial, found by the beginning of its name and planned to run again under the same conditions."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from study.config import STUDY_NAME, Configuration, Execution, Study
from study.device import cpu_name
from study.errors import UserError, nearest
from study.files import open_folder
from study.frozen import validate
from study.plan import Plan, make_plan
from study.results import ResultStore, stored_studies
from study.schema import DONE, Table
from study.studies import list_studies, load_study

SHORTEST = 4
"""Digits of a trial's name that must be given."""

LISTED = 8
"""Trials that are named at most when several are meant."""


def find_trial(results: str, beginning: str, study: str | None = None) -> tuple[ResultStore, dict[str, Any]]:
    """Find a trial by the first digits of its name.

    Args:
        results: folder of all studies' results, or its URI.
        beginning: at least four digits.
        study: look in this study only.

    Returns:
        The results of its study, and its row of `trials`.

    Raises:
        UserError: no such trial or several, or one that cannot be run again: it was imported, or has no rows.
    """
    place, studies = open_folder(results), stored_studies(results)
    if len(beginning) < SHORTEST:
        raise UserError(f"trial {beginning!r}: expected at least the first {SHORTEST} digits of its name")
    if study is not None and study not in studies:
        raise UserError(f"no results of a study {study!r} in {place}; {nearest(study, studies)}")
    known = [
        (name, file.removesuffix(".parquet"))
        for name in ([study] if study else studies)
        for file in (place / name / "trials").names(".parquet")
    ]
    found = [(name, trial_id) for name, trial_id in known if trial_id.startswith(beginning)]
    if not found:
        alike = {trial_id[: len(beginning)] for _, trial_id in known}
        raise UserError(f"no trial {beginning!r} in {place}; {nearest(beginning, alike)}")
    if len({trial_id for _, trial_id in found}) > 1:
        listed = ", ".join(f"{trial_id} ({name})" for name, trial_id in found[:LISTED])
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise UserError(f"{beginning!r} begins the names of {len(found)} trials: {listed}{more}; give more digits")
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise UserError(f"trial {found[0][1]} is in several studies: {names}; choose one with --study")
    store = ResultStore(results, found[0][0], create=False)
    row = store.trial(found[0][1])
    if row is None:
        raise UserError(f"trial {found[0][1]} was removed meanwhile")
    if row["trial_id"] != found[0][1] or not re.fullmatch(STUDY_NAME, row["study"]):  # both become names of files
        raise UserError(f"trial {found[0][1]} of {found[0][0]}: its file holds the row of another one; delete it")
    _refuse(row)
    return store, row


def _refuse(row: Mapping[str, Any]) -> None:
    """Refuse a trial that leaves nothing to compare."""
    if row["imported_from"] is not None:
        raise UserError(
            f"trial {row['trial_id']} was imported from {row['imported_from']}, it never ran here; expected a trial of "
            "this platform"
        )
    if row["status"] in ("interrupted", "timeout") and not row["epochs"]:
        raise UserError(
            f"trial {row['trial_id']} ended ({row['status']}) within its first epoch; there is nothing to compare with"
        )


def plan_again(
    row: Mapping[str, Any], stored: ResultStore, store: ResultStore, cache_dir: Path, data: str | None
) -> Plan:
    """Plan a trial once more: its configuration, seed, data, workers and threads.

    The data are looked for where they were read from, and where the study's file says that they are.

    Args:
        row: the trial's row of `trials`.
        stored: results of its study.
        store: empty results that the trial will be run into.
        cache_dir: folder for decoded frames and drawn sequences.
        data: where the data are, if somewhere else.

    Raises:
        UserError: settings that do not exist any more, or data that are not there or have changed.
    """
    name = row["trial_id"]
    roots = {data: None} if data is not None else dict.fromkeys(_roots(row, stored))
    configuration = validate(Configuration, json.loads(row["configuration"]), f"trial {name}: its configuration")
    problems = []
    for root in roots:
        study = Study(
            name=row["study"],
            description="",
            data=configuration.data.model_copy(update={"root": root}),
            tracker=configuration.tracker,
            objective=configuration.objective,
            weighting=configuration.weighting,
            train=configuration.train,
            seeds=(row["seed"],),
            execution=_execution(row),
        )
        try:
            plan = make_plan(study, store, cache_dir=cache_dir, bases=stored)
        except UserError as error:
            problems.append(str(error))
            continue
        if plan.splits.data_hash == row["data_hash"]:
            return plan
        problems.append(f"{root} holds data of hash {plan.splits.data_hash}")
    found = "; ".join(problems) or "where they were is not stored"
    raise UserError(f"trial {name} needs data of hash {row['data_hash']}: {found}; say where they are with --data DIR")


def _roots(row: Mapping[str, Any], stored: ResultStore) -> Iterator[str]:
    """Places where the trial's data may be."""
    manifest = stored.read_manifest(row["data_hash"]) or {}
    root_of_file = None
    # Not every study in the results has a file in search_spaces; and no other file is run because of what rows say.
    if row["study"] in {name for name, _, _ in list_studies()}:
        with suppress(UserError):
            root_of_file = load_study(row["study"]).data.root
    yield from (root for root in (manifest.get("root"), root_of_file) if root is not None)


def _execution(row: Mapping[str, Any]) -> Execution:
    """What the trial held: the number of workers and threads decides in which order floating-point numbers are summed.

    A worker has one GPU at most. One device is a GPU or a core; it is a core for certain if it was this machine's.
    """
    held = row["devices_per_worker"]
    retries = {"max_retries": 0} if row["status"] in ("failed", "oom") else {}
    if held != int(held):
        return Execution(workers=row["workers"], gpus_per_worker=held, **retries)
    on_cores = held > 1 or row["device_name"] == cpu_name()
    return Execution(
        workers=row["workers"], cpus_per_worker=int(held), gpus_per_worker=0 if on_cores else None, **retries
    )


def ran_on_gpu(plan: Plan, row: Mapping[str, Any]) -> bool:
    """Whether a trial of `plan_again` turned out to run on a GPU, by its row of `trials`."""
    return plan.study.execution.gpus_per_worker != 0 and row["device_name"] not in (None, cpu_name())


def last_epoch(row: Mapping[str, Any]) -> int | None:
    """After which epoch the trial is to end when it runs again; None to let it run.

    One that was broken off is run as far as it has rows; one that failed of itself gets the chance to fail again.
    """
    if row["status"] in ("completed", "diverged"):
        return None
    return int(row["epochs"]) + (row["status"] in ("failed", "oom"))


def tables(
    store: ResultStore, row: Mapping[str, Any], *, of: Mapping[str, Any], first: int = 1
) -> dict[Table, list[dict[str, Any]]]:
    """A trial's rows that are to be compared, by table.

    Args:
        store: where they are.
        row: the trial's row of `trials` there.
        of: the trial's stored row. Of one that broke off, the final row and what came after its last epoch are left
            out.
        first: what came before this epoch is left out.
    """
    names: tuple[Table, ...] = ("steps", "epochs", "sequences")
    rows = {
        table: [line for line in store.read_rows(table, row["trial_id"]) if first <= line["epoch"] <= of["epochs"]]  # type: ignore[arg-type]
        for table in names
    }
    return {**rows, "trials": [dict(row)]} if of["status"] in DONE else rows


def first_epoch(store: ResultStore, row: Mapping[str, Any]) -> int:
    """The first epoch of a stored trial's own: a member of a population took those before over from its parent.

    The best member trains all of them when it runs again under other seeds.
    """
    generation = json.loads(row["suggested"] or "{}").get("generation", 1)
    first = 1 + (generation - 1) * int(json.loads(row["configuration"])["weighting"].get("epochs_per_stage", 0))
    return 1 if any(line["epoch"] < first for line in store.read_rows("epochs", row["trial_id"])) else first

"""Numbers of attempts."""

from study.execute.attempts import Attempts
from study.results import ResultStore


def entry(trial_id, attempt):
    return {
        "entry_id": f"{trial_id}-{attempt}",
        "trial_id": trial_id,
        "attempt": attempt,
        "kind": "attempt",
        "devices": 1.0,
        "status": "lost",
    }


def test_an_attempt_never_takes_the_number_of_another(tmp_path):
    store = ResultStore(tmp_path, "tiny")
    # The second was killed before it wrote anything; a trial's id may hold the mark that comes before the number.
    for trial_id, attempt in (("a", 1), ("a", 3), ("a-b", 7)):
        store.write_ledger(entry(trial_id, attempt))
    store.write_ledger({**entry("g", 1), "entry_id": "g-idle", "kind": "idle"})
    attempts = Attempts(store)
    # The first of these is not written before the next is given out.
    assert [attempts.next("a") for _ in range(2)] == [4, 5]
    assert [attempts.next(trial_id) for trial_id in ("a-b", "new", "new", "g")] == [8, 1, 2, 1]
    store.write_ledger(entry("a", 5))
    assert Attempts(store).next("a") == 6

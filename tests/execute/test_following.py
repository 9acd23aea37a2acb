"""What Ray Tune does not forgive: its actor dies when it is to follow another trial."""

import os

from tiny import open_study, tiny_study

from study.config import Execution
from study.execute import run_study, runner
from study.execute import search as search_module


def test_the_trial_goes_on_and_is_followed_by_another(tmp_path, cache_dir, monkeypatch):
    died = tmp_path / "died"

    class Dying(search_module.Follower):
        def reset_config(self, new_config):
            if not died.exists():
                died.touch()
                os._exit(1)
            return super().reset_config(new_config)

    monkeypatch.setattr(search_module, "Follower", Dying)
    monkeypatch.setattr(runner, "_END_SECONDS", 0.1)  # Ray Tune must not end while the last trial runs
    study = tiny_study(epochs=12, execution=Execution(max_concurrent_trials=1))
    study = study.model_copy(update={"seeds": (0, 1, 2)})
    plan, store = open_study(study, tmp_path / "results", cache_dir)
    run_study(plan, store, lambda _: None)
    assert died.exists()
    assert [(row["status"], row["attempts"]) for row in store.trials()] == [("completed", 1)] * 3

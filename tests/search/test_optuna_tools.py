"""Optuna's own tools read the storage of a search: its analysis, and its dashboard over HTTP."""

import json
import threading
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pytest
from searches import Driver, mota, search_study

from study.search.storage import NAME


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search with an interrupted trial, and the URL of its storage."""
    driver = Driver(search_study(6, sampler="random"), tmp_path_factory.mktemp("results"))
    driver.run(status_of=lambda trial: ("pruned", "failed", "completed")[min(trial.index, 2)])
    return driver, f"sqlite:///{driver.results}/example/{NAME}"


def test_optuna_analyses_a_search(searched):
    driver, storage = searched
    (name,) = optuna.get_all_study_names(storage)
    assert name.startswith("example ")
    study = optuna.load_study(study_name=name, storage=storage)
    completed = driver.suggested[2:]
    assert study.best_value == max(map(mota, completed))
    best = max(completed, key=mota)
    assert study.best_params == best.suggested
    assert study.best_trial.user_attrs == {"trial_id": best.trial_id}
    table = study.trials_dataframe()
    assert table["state"].tolist() == ["PRUNED", "FAIL", *["COMPLETE"] * 4]
    assert table["params_weighting.loss_weights.reg/cls"].notna().all()
    importances = optuna.importance.get_param_importances(study)
    assert set(importances) == set(best.suggested)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboard(searched):
    """optuna-dashboard on loopback; gives a function that asks it."""
    app = optuna_dashboard.wsgi(searched[1])
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path: str):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=30) as answer:
                return json.loads(answer.read())

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


def test_optuna_dashboard_opens_a_search(searched, dashboard):
    driver, _ = searched
    (summary,) = dashboard("/api/studies")["study_summaries"]
    assert summary["study_name"].startswith("example ")
    detail = dashboard(f"/api/studies/{summary['study_id']}?after=0")
    assert detail["directions"] == ["maximize"]
    assert [trial["state"] for trial in detail["trials"]] == ["Pruned", "Fail", *["Complete"] * 4]
    (attribute,) = detail["trials"][2]["user_attrs"]
    assert attribute == {"key": "trial_id", "value": driver.suggested[2].trial_id}
    values = [float(trial["values"][0]) for trial in detail["trials"][2:]]
    assert values == pytest.approx([mota(trial) for trial in driver.suggested[2:]])

from ray.tune.experiment import Trial

from study.execute.search import Forgetting


def test_tune_keeps_the_figures_of_an_ended_trial_but_not_what_they_were_averaged_from():
    trial = Trial("any", stub=True)
    for epoch, mota in enumerate((0.25, 0.75), 1):
        trial.update_last_result({"val_mota": mota, "training_iteration": epoch})
    assert trial.run_metadata.metric_n_steps
    Forgetting().on_trial_complete(1, [trial], trial)
    assert not trial.run_metadata.metric_n_steps
    assert trial.metric_analysis["val_mota"]["avg"] == 0.5
    assert trial.last_result["val_mota"] == 0.75

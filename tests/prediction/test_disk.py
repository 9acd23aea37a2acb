from study.prediction.disk import rows_bytes
from study.prediction.work import Frames, Work


def test_rows_take_about_what_the_files_of_a_real_trial_take(ran, splits):
    trial = ran.plan.trials[0]
    folders = [ran.store.folder / table for table in ("trials", "steps", "epochs", "sequences", "ledger")]
    written = [folder.read(name) for folder in folders for name in folder.names(".parquet") if trial.trial_id in name]
    assert len(written) == 5
    size = sum(len(content) for content in written)
    predicted = rows_bytes(Work.of(trial.configuration.resolved(), Frames.of(splits.manifest)))
    assert 0.7 * size < predicted < 1.4 * size


def test_longer_trials_leave_more_rows(ran, splits):
    resolved, frames = ran.plan.trials[0].configuration.resolved(), Frames.of(splits.manifest)
    longer = resolved | {"train": resolved["train"] | {"epochs": 300}}
    rarely = resolved | {"train": longer["train"] | {"log_every": 50}}
    sizes = [rows_bytes(Work.of(plain, frames)) for plain in (resolved, rarely, longer)]
    assert sizes == sorted(sizes)
    assert sizes[2] - sizes[0] > (300 - 3) * 6 * 3 * 8  # a figure for every task and step, at least

"""What trials will cost: unit costs from earlier rows or from a short probe, and the arithmetic from them to a study.

From here: `Predictor` answers for any configuration, `predict` for the trials of a plan; `probing.probe_unknown`
measures what no row tells. The room imports no ray.
"""

from study.prediction.predictions import Ahead, Predictions, checkpointed_epochs, expect, predict, predict_missing
from study.prediction.predictor import Predictor, TrialPrediction, make_predictor

__all__ = [
    "Ahead",
    "Predictions",
    "Predictor",
    "TrialPrediction",
    "checkpointed_epochs",
    "expect",
    "make_predictor",
    "predict",
    "predict_missing",
]

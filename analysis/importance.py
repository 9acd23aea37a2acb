"""Which of the searched settings decide the figure: importances by Optuna, of trials rebuilt from rows."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from analysis.expected_best import search_trials
from analysis.leaderboard import varying
from analysis.methods import Method

FEWEST = 10
"""Completed configurations below which importances say nothing."""

_PLACES = ("generation", "member")
"""What says where in a population a trial stands, which is no setting."""

_LOG_FROM = 10.0
"""Ratio of the largest to the smallest value from which a setting is taken on a logarithmic scale."""


def importance(method: Method, *, seed: int = 0) -> pd.DataFrame:
    """How much each searched setting explains of validation MOTA.

    fANOVA (Hutter et al., ICML 2014): share of the variance over the whole space that a setting explains by itself, by
    a random forest. PED-ANOVA (Watanabe et al., IJCAI 2023): what tells the best tenth from the rest, a share likewise.
    With a grid, settings are its columns; with a search, the parameters that it suggested.

    Args:
        method: whose configurations are compared; each counts once, with the mean of its seeds.
        seed: of the forest.

    Returns:
        setting, fanova and ped_anova (shares that sum to 1), configurations; the most important first. Empty if fewer
        than `FEWEST` configurations completed, all have the same figure, or they share no setting that varies.
    """
    columns = ["setting", "fanova", "ped_anova", "configurations"]
    tried = search_trials(method).dropna(subset="score").set_index("configuration_id")
    if len(tried) < FEWEST or tried["score"].nunique() < 2:
        return pd.DataFrame(columns=columns)
    parameters = {
        str(row["configuration_id"]): _parameters(row, varying(method.trials))
        for _, row in method.trials.drop_duplicates("configuration_id").iterrows()
        if row["configuration_id"] in tried.index
    }
    shared = set.intersection(*(set(settings) for settings in parameters.values()))
    spaces = {name: _space([settings[name] for settings in parameters.values()]) for name in sorted(shared)}
    spaces = {name: space for name, space in spaces.items() if not space.single()}
    if not spaces:
        return pd.DataFrame(columns=columns)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        fanova, ped_anova = _evaluate(parameters, spaces, tried["score"], seed)
    finally:
        optuna.logging.set_verbosity(level)
    return pd.DataFrame(
        [(name, share, ped_anova.get(name, np.nan), len(parameters)) for name, share in fanova.items()], columns=columns
    )


def _evaluate(
    parameters: Mapping[str, Mapping[str, Any]], spaces: dict[str, BaseDistribution], scores: pd.Series, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Importances by both evaluators."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed))
    study.add_trials(
        [
            optuna.create_trial(
                params={key: _plain(settings[key]) for key in spaces}, distributions=spaces, value=scores[name]
            )
            for name, settings in parameters.items()
        ]
    )
    evaluators = optuna.importance.FanovaImportanceEvaluator(seed=seed), optuna.importance.PedAnovaImportanceEvaluator()
    fanova, ped_anova = (optuna.importance.get_param_importances(study, evaluator=made) for made in evaluators)
    return fanova, ped_anova


def _parameters(row: pd.Series, settings: list[str]) -> Mapping[str, Any]:
    if isinstance(row["suggested"], str):
        suggested = json.loads(row["suggested"])
        return {name: value for name, value in suggested.items() if name not in _PLACES}
    return {name: row[name] for name in settings if pd.notna(row[name])}


def _space(values: list[Any]) -> BaseDistribution:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        low, high = float(min(values)), float(max(values))
        return FloatDistribution(low, high, log=low > 0 and high / low >= _LOG_FROM)
    return CategoricalDistribution(tuple(dict.fromkeys(_plain(value) for value in values)))


def _plain(value: Any) -> Any:
    """A value as Optuna takes it: lists as JSON, numbers as floats."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return value if isinstance(value, str) else json.dumps(value)

import itertools
import warnings

import numpy as np
import pytest
from interval_coverage import DISTRIBUTIONS, crossed
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from analysis.statistics import (
    FAILED,
    bootstrap_interval,
    holm,
    interquartile_mean,
    kendall_w,
    paired_p_value,
    probability_of_improvement,
    seeds_needed,
    t_interval,
)

NAN = float("nan")


@pytest.fixture
def draws():
    return np.random.default_rng(7)


def test_students_interval_and_p_value_are_scipys(draws):
    for n in (2, 3, 5, 10):
        values = draws.normal(0.1, 1, n)
        test = stats.ttest_1samp(values, 0)
        interval = test.confidence_interval(0.9)
        found = t_interval(values, 0.9)
        assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), interval.low, interval.high))
        assert paired_p_value(values) == pytest.approx(test.pvalue)


def test_what_cannot_be_known_is_not_made_up():
    one = t_interval([0.3])
    assert one.mean == 0.3
    assert np.isnan([one.low, one.high, paired_p_value([0.3])]).all()
    for values in ([], [0.1, NAN], [0.1, FAILED, 0.2]):
        for interval in (t_interval(values), bootstrap_interval(values)):
            assert np.isnan([interval.mean, interval.low, interval.high]).all()
        assert np.isnan(paired_p_value(values))
    few = bootstrap_interval([0.1, 0.2, 0.3, 0.4])
    assert few.mean == pytest.approx(0.25)
    assert np.isnan([few.low, few.high]).all()
    crossed = bootstrap_interval(np.ones((5, 4)))
    assert np.isnan([crossed.low, crossed.high]).all()


def test_equal_values_have_no_spread():
    assert paired_p_value([0.0, 0.0, 0.0]) == 1
    assert paired_p_value([0.1, 0.1, 0.1]) == 0
    for interval in (t_interval([0.1] * 5), bootstrap_interval([0.1] * 5), bootstrap_interval(np.full((5, 5), 0.1))):
        assert (interval.low, interval.high) == pytest.approx((0.1, 0.1))


def test_the_bootstrap_is_repeatable_and_does_not_depend_on_the_order_of_sequences_or_on_scale(draws):
    values = draws.normal(size=(6, 8))
    first = bootstrap_interval(values)
    assert bootstrap_interval(values) == first
    assert first.low < first.mean < first.high
    scaled = bootstrap_interval(3 * values - 1)
    assert scaled.low == pytest.approx(3 * first.low - 1)
    assert scaled.high == pytest.approx(3 * first.high - 1)
    shuffled = bootstrap_interval(values[:, ::-1])
    assert shuffled.low == pytest.approx(first.low, rel=0.1)
    assert bootstrap_interval(values, 0.8).high < first.high


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_intervals_over_seeds_hold_the_true_mean_as_often_as_they_say(draws, interval, n, distribution):
    """Nominal 95 %, 1,200 simulated studies: a true coverage of 95 % is seen within 1.9 points nearly always."""
    samples = [interval(DISTRIBUTIONS[distribution](draws, n)) for _ in range(1200)]
    held = np.mean([found.low <= 0 <= found.high for found in samples])
    assert 0.92 <= held <= 0.97


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("spreads", [(1, 1, 1), (1, 0.2, 0.5), (0.2, 1, 0.5), (1, 0, 1)])
def test_intervals_over_seeds_and_sequences_hold_the_true_mean_as_often_as_they_say(draws, n, spreads):
    """Spreads of seeds, of sequences and of what is left; eight sequences."""
    held = []
    for _ in range(600):
        found = bootstrap_interval(crossed(draws, n, spreads), samples=1000)
        held.append(found.low <= 0 <= found.high)
    assert 0.92 <= np.mean(held) <= 0.97


def test_holm_is_statsmodels(draws):
    for n in (1, 2, 7, 30):
        p = draws.uniform(size=n) ** 3
        p[n // 2 :] = p[: n - n // 2]
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([0.01, NAN, 0.04]) == pytest.approx([0.02, NAN, 0.04], nan_ok=True)
    assert len(holm([])) == 0


def test_interquartile_mean_is_the_trimmed_mean_and_drops_failed_runs_first(draws):
    for n in (4, 8, 20):
        values = draws.normal(size=n)
        assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
    assert interquartile_mean([1, 2, 6]) == pytest.approx((0.25 * 1 + 2 + 0.25 * 6) / 1.5)
    assert interquartile_mean([1, 2]) == 1.5
    assert interquartile_mean([FAILED, 1, 2, 9]) == pytest.approx(1.5)
    assert np.isnan(interquartile_mean([FAILED, 1, 2]))
    assert np.isnan(interquartile_mean([NAN, 1, 2, 3]))
    assert np.isnan(interquartile_mean([]))


def test_probability_of_improvement_is_mann_whitneys_and_a_failed_run_loses(draws):
    one, other = draws.normal(size=9), draws.normal(size=7).round(1)
    one[:3] = other[:3]
    expected = stats.mannwhitneyu(one, other).statistic / 63
    assert probability_of_improvement(one, other) == pytest.approx(expected)
    assert probability_of_improvement([FAILED, FAILED], [0.0]) == 0
    assert probability_of_improvement([FAILED, 1.0], [FAILED, 0.0]) == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert np.isnan(probability_of_improvement([], [1.0]))
    assert np.isnan(probability_of_improvement([NAN], [1.0]))


def test_seeds_needed_is_what_the_power_of_the_t_test_asks_for():
    differences = np.array([0.0, 0.02, 0.04, 0.01])
    needed = seeds_needed(differences, 0.01)
    effect = 0.01 / differences.std(ddof=1)
    assert TTestPower().power(effect, needed, 0.05) >= 0.8 > TTestPower().power(effect, needed - 1, 0.05)
    assert seeds_needed([0.01, 0.01], 0.01) == 2
    assert seeds_needed([0.01], 0.01) is None
    assert seeds_needed([-1, 1.001], 0.0005) is None


def test_agreement_of_rankings_follows_from_friedmans_statistic(draws):
    table = np.array([stats.rankdata(draws.normal(size=6).round(0)) for _ in range(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chi_square = stats.friedmanchisquare(*table.T).statistic
    assert kendall_w(table) == pytest.approx(chi_square / (4 * 5))
    assert kendall_w([[1, 2, 3]] * 3) == pytest.approx(1)
    assert np.isnan(kendall_w([[1, 2, 3]]))
    assert np.isnan(kendall_w([[2, 2, 2]] * 3))
    every = [list(order) for order in itertools.permutations(range(3))]
    assert kendall_w(every) == pytest.approx(0)

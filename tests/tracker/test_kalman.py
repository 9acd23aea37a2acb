"""The filter in closed form against the same filter with 8 x 8 matrices (Wojke et al. 2017, section 2.1)."""

import numpy as np
import pytest
from scipy.stats import chi2

from study.tracker.kalman import GATE, Motions, measure

MOTION = np.eye(8) + np.diag(np.ones(4), 4)
SEEN = np.eye(4, 8)


class Dense:
    """One track."""

    def __init__(self, measurement):
        h = measurement[3]
        self.mean = np.concatenate([measurement, np.zeros(4)])
        spread = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
        self.covariance = np.diag(np.square(spread))

    def predict(self):
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]))
        self.mean = MOTION @ self.mean
        self.covariance = MOTION @ self.covariance @ MOTION.T + noise

    def projected(self):
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
        return SEEN @ self.mean, SEEN @ self.covariance @ SEEN.T + noise

    def update(self, measurement):
        mean, covariance = self.projected()
        gain = self.covariance @ SEEN.T @ np.linalg.inv(covariance)
        self.mean = self.mean + gain @ (measurement - mean)
        self.covariance = self.covariance - gain @ covariance @ gain.T

    def distance(self, measurement):
        mean, covariance = self.projected()
        return (measurement - mean) @ np.linalg.inv(covariance) @ (measurement - mean)


@pytest.fixture
def measurements():
    draws = np.random.default_rng(0)
    return np.stack([np.stack([*draws.uniform(0, 500, (2, 5)), *draws.uniform(0.3, 60, (2, 5))]).T for _ in range(12)])


def test_it_is_the_filter_of_eight_numbers(measurements):
    first, *later = measurements
    motions, dense = Motions.begin(first), [Dense(one) for one in first]
    for frame, seen in enumerate(later):
        motions.predict()
        for one in dense:
            one.predict()
        wanted = [[one.distance(each) for each in seen] for one in dense]
        np.testing.assert_allclose(motions.distances(seen), wanted, rtol=1e-9)
        chosen = np.array([0, 2, 3]) if frame % 3 else np.array([1, 4])  # some are missed for a while
        motions.update(chosen, seen[chosen])
        for i in chosen:
            dense[i].update(seen[i])
        np.testing.assert_allclose(motions.position, [one.mean[:4] for one in dense], rtol=1e-9)
        np.testing.assert_allclose(motions.velocity, [one.mean[4:] for one in dense], rtol=1e-9, atol=1e-9)
        for i, one in enumerate(dense):
            here, both, there = motions.variance[i]
            np.testing.assert_allclose(np.diag(one.covariance), [*here, *there], rtol=1e-9)
            np.testing.assert_allclose(np.diag(one.covariance, 4), both, rtol=1e-9, atol=1e-12)


def test_boxes_are_measured_and_made_again():
    boxes = np.array([[10.0, 20, 30, 80], [-5, 0, 5, 10]])
    np.testing.assert_allclose(measure(boxes), [[20, 50, 1 / 3, 60], [0, 5, 1, 10]])
    np.testing.assert_allclose(Motions.begin(measure(boxes)).boxes_xyxy, boxes)


def test_the_gate_is_chi_squares():
    assert pytest.approx(chi2.ppf(0.95, 4)) == GATE


def test_no_track_and_no_measurement():
    nobody = Motions.begin(np.zeros((0, 4)))
    nobody.predict()
    assert nobody.distances(np.ones((3, 4))).shape == (0, 3)
    assert Motions.begin(np.ones((2, 4))).distances(np.zeros((0, 4))).shape == (2, 0)
    assert len(Motions.join([nobody, Motions.begin(np.ones((2, 4)))])) == 2

"""A Kalman filter for many boxes at once: centre, aspect and height, each with a velocity of its own.

The state of SORT, Deep SORT and JDE (Wojke et al. 2017, "Simple Online and Realtime Tracking with a Deep Association
Metric", section 2.1) is eight numbers a track. Its motion, process noise and measurement noise couple a number with its
own velocity alone, and so does every covariance that follows from them: four filters of two numbers each, in closed
form, are the same filter without an 8 x 8 matrix a track.
"""

from dataclasses import dataclass

import numpy as np

GATE = 9.487729036781154
"""Square of the Mahalanobis distance beyond which a measurement is none of the track's: chi-square, 4 degrees of
freedom, 95 %."""

_OF_HEIGHT = np.array([1.0, 1, 0, 1])
"""Numbers of a measurement whose spread grows with the box's height; that of the aspect (width / height) is fixed."""

_POSITION, _VELOCITY = _OF_HEIGHT / 20, _OF_HEIGHT / 160
"""Standard deviations of position and velocity, as shares of the height."""

_ASPECT, _ASPECT_VELOCITY, _ASPECT_MEASURED = ((1 - _OF_HEIGHT) * spread for spread in (1e-2, 1e-5, 1e-1))
"""Standard deviations of the aspect, of its velocity, and of its measurement."""

_BEGIN, _BEGIN_VELOCITY = np.array([2.0, 2, 1, 2]), np.array([10.0, 10, 1, 10])
"""How many times wider a track begins."""


@dataclass
class Motions:
    """States of N tracks; measurements are [centre x, centre y, width / height, height].

    Attributes:
        position: float64 [N, 4], as a measurement.
        velocity: float64 [N, 4], a frame.
        variance: float64 [N, 3, 4]: of the position, its covariance with the velocity, and of the velocity.
    """

    position: np.ndarray
    velocity: np.ndarray
    variance: np.ndarray

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, chosen: np.ndarray) -> "Motions":
        """Copies of some of them, by indices or booleans."""
        return Motions(self.position[chosen], self.velocity[chosen], self.variance[chosen])

    @classmethod
    def begin(cls, measurements: np.ndarray) -> "Motions":
        """Tracks that were seen once, at rest.

        Args:
            measurements: float64 [N, 4].
        """
        place, speed = _spreads(measurements)
        variance = np.stack([(_BEGIN * place) ** 2, np.zeros_like(place), (_BEGIN_VELOCITY * speed) ** 2], axis=1)
        return cls(measurements.copy(), np.zeros_like(measurements), variance)

    @classmethod
    def join(cls, parts: "list[Motions]") -> "Motions":
        """All tracks of several, in order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__))

    def predict(self) -> None:
        """Go on by one frame."""
        place, speed = _spreads(self.position)
        self.position = self.position + self.velocity
        variance = self.variance
        variance[:, 0] += 2 * variance[:, 1] + variance[:, 2] + place * place
        variance[:, 1] += variance[:, 2]
        variance[:, 2] += speed * speed

    def update(self, chosen: np.ndarray, measurements: np.ndarray) -> None:
        """Take in measurements.

        Args:
            chosen: int64 [M], tracks that were seen.
            measurements: float64 [M, 4], where.
        """
        position, variance = self.position[chosen], self.variance[chosen]
        seen, both = variance[:, :2], variance[:, 1:2]  # what a measurement tells of position and velocity
        gain = seen / (variance[:, :1] + _measured(position)[:, None])
        step = gain * (measurements - position)[:, None]
        self.position[chosen] = position + step[:, 0]
        self.velocity[chosen] += step[:, 1]
        variance[:, 2:] -= gain[:, 1:] * both
        variance[:, :2] -= gain[:, :1] * seen
        self.variance[chosen] = variance

    def distances(self, measurements: np.ndarray) -> np.ndarray:
        """Squares of the Mahalanobis distances, shape [N, M].

        Args:
            measurements: float64 [M, 4].
        """
        total = self.variance[:, 0] + _measured(self.position)
        surprise = measurements[None] - self.position[:, None]
        return (surprise * surprise / total[:, None]).sum(axis=2)

    @property
    def boxes_xyxy(self) -> np.ndarray:
        """Where the tracks are, float64 [N, 4]."""
        centres, heights = self.position[:, :2], self.position[:, 3:]
        half = np.concatenate([self.position[:, 2:3] * heights, heights], axis=1) / 2
        return np.concatenate([centres - half, centres + half], axis=1)


def measure(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Measurements [N, 4] of boxes [N, 4]."""
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    centres = (boxes_xyxy[:, 2:] + boxes_xyxy[:, :2]) / 2
    heights = np.maximum(sizes[:, 1:], 1e-6)
    return np.concatenate([centres, sizes[:, :1] / heights, heights], axis=1)


def _spreads(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations [N, 4] by which position and velocity may change in a frame."""
    height = position[:, 3:]
    return height * _POSITION + _ASPECT, height * _VELOCITY + _ASPECT_VELOCITY


def _measured(position: np.ndarray) -> np.ndarray:
    """Variances [N, 4] of a measurement."""
    spread = position[:, 3:] * _POSITION + _ASPECT_MEASURED
    return spread * spread

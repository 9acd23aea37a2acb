"""How often the intervals of `analysis.statistics` hold the true mean, by simulation.

    python benchmarks/interval_coverage.py

Nominal 95 %; target: 92 to 97 % with five and with ten seeds. Seeds alone: normal values, Student's t with five degrees
of freedom (heavy tails), a shifted gamma of shape four (skew). Seeds and sequences: normal effects of both, and what is
left over, with these spreads. Exit code 1 if an interval misses the target.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.statistics import Interval, bootstrap_interval, t_interval

LOW, HIGH = 0.92, 0.97
SEQUENCES = 8
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda draws, n: draws.normal(size=n),
    "heavy tails": lambda draws, n: draws.standard_t(5, size=n),
    "skewed": lambda draws, n: draws.gamma(4, 0.5, n) - 2,
}
SPREADS = ((1, 1, 1), (1, 0, 1), (1, 0.2, 0.5), (0.2, 1, 0.5), (0.5, 0.5, 1))


def crossed(draws: np.random.Generator, n: int, spreads: tuple[float, ...]) -> np.ndarray:
    sizes = ((n, 1), (1, SEQUENCES), (n, SEQUENCES))
    return sum(
        (spread * draws.normal(size=size) for spread, size in zip(spreads, sizes, strict=True)),
        np.zeros((n, SEQUENCES)),
    )


def held(make: Callable[[], Interval], studies: int) -> tuple[float, float]:
    """Share of simulated studies whose interval holds zero, and the median width."""
    found = [make() for _ in range(studies)]
    shares = [interval.low <= 0 <= interval.high for interval in found]
    return float(np.mean(shares)), float(np.median([interval.high - interval.low for interval in found]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies a line")
    studies = parser.parse_args().studies
    draws = np.random.default_rng(0)
    lines = []
    for n in (5, 10):
        for name, draw in DISTRIBUTIONS.items():
            for what, interval in (("t", t_interval), ("bootstrap over seeds", bootstrap_interval)):
                share, width = held(lambda f=interval, d=draw, n=n: f(d(draws, n)), studies)  # type: ignore[misc]
                lines.append((n, what, name, share, width))
        for spreads in SPREADS:
            share, width = held(
                lambda s=spreads, n=n: bootstrap_interval(crossed(draws, n, s), samples=1000),  # type: ignore[misc]
                studies,
            )
            name = "seeds {:g}, sequences {:g}, rest {:g}".format(*spreads)
            lines.append((n, f"bootstrap over seeds and {SEQUENCES} sequences", name, share, width))
    table = pd.DataFrame(lines, columns=["seeds", "interval", "values", "held", "median width"])
    print("| seeds | interval | values | held | median width |\n|---|---|---|---|---|")
    for line in table.itertuples(index=False):
        print(f"| {line[0]} | {line[1]} | {line[2]} | {line[3]:.1%} | {line[4]:.2f} |")
    missed = table[(table["held"] < LOW) | (table["held"] > HIGH)]
    print(f"\n{len(table) - len(missed)} of {len(table)} within {LOW:.0%} to {HIGH:.0%}")
    return int(len(missed) > 0)


if __name__ == "__main__":
    sys.exit(main())

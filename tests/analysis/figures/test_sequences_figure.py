import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.sequences import per_sequence

SEQUENCES = ("street", "square", "station")


def rows(figures) -> pd.DataFrame:
    """Rows of `sequences`: method to its seeds, each with a figure a sequence."""
    return pd.DataFrame(
        [
            {
                "method": method,
                "trial_id": f"{method} {seed}",
                "epoch": 8,
                "split": "test",
                "sequence": name,
                "mota": value,
                "idsw": 40,
            }
            for method, seeds in figures.items()
            for seed, values in enumerate(seeds)
            for name, value in zip(SEQUENCES, values, strict=True)
        ]
    )


@pytest.fixture
def sequences() -> pd.DataFrame:
    return rows({"hwf": [(0.3, 0.2, 0.1)] * 2, "lwf": [(0.5, 0.4, 0.3), (0.7, 0.6, 0.5)]})


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def cells(axes) -> np.ndarray:
    (mesh,) = axes.collections
    return np.ma.filled(mesh.get_array().astype(float), np.nan)


def names(axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def test_cells_are_means_over_seeds_with_the_best_method_first(sequences):
    axes = per_sequence(sequences)
    assert names(axes) == ["lwf", "hwf"]
    assert [text.get_text() for text in axes.get_xticklabels()] == sorted(SEQUENCES)
    assert cells(axes) == pytest.approx(np.array([[0.5, 0.4, 0.6], [0.2, 0.1, 0.3]]))
    assert texts(axes) == ["0.50", "0.40", "0.60", "0.20", "0.10", "0.30", "mean", "0.50", "0.20"]


def test_only_the_last_epoch_counts(sequences):
    earlier = sequences.assign(epoch=4, mota=-1.0)
    assert cells(per_sequence(pd.concat([sequences, earlier]))) == pytest.approx(cells(per_sequence(sequences)))


@pytest.mark.parametrize("how", ["missing", "no row"])
def test_a_cell_that_a_seed_lacks_is_no_mean_of_the_others(sequences, how):
    lacking = (sequences["trial_id"] == "lwf 1") & (sequences["sequence"] == "street")
    if how == "missing":
        sequences.loc[lacking, "mota"] = float("nan")
    else:
        sequences = sequences[~lacking]
    axes = per_sequence(sequences)
    assert names(axes) == ["hwf", "lwf"]  # a mean over other sequences is no mean to be compared
    assert np.isnan(cells(axes)[1]).tolist() == [False, False, True]
    assert axes.patch.get_hatch() == "////"
    assert texts(axes)[-4:] == ["-", "mean", "0.20", "-"]


def test_a_collapsed_method_does_not_flatten_the_others_and_keeps_its_number():
    figures = {f"method {i}": [(0.4 + 0.02 * i,) * 3] for i in range(6)} | {"collapsed": [(-2.8,) * 3]}
    axes = per_sequence(rows(figures))
    (mesh,) = axes.collections
    assert mesh.get_clim() == pytest.approx((0.4, 0.5))
    assert texts(axes).count("-2.80") == 4
    assert mesh.colorbar.extend == "min"


def test_of_mistakes_the_fewest_come_first(sequences):
    sequences.loc[sequences["method"] == "hwf", "idsw"] = 7
    axes = per_sequence(sequences, "idsw")
    assert names(axes) == ["hwf", "lwf"]
    (mesh,) = axes.collections
    assert mesh.cmap.name == "viridis"
    assert per_sequence(sequences).collections[0].cmap.name == "viridis_r"


def test_without_figures_nothing_is_drawn(sequences):
    assert texts(per_sequence(sequences[:0])) == ["no rows of single sequences"]
    sequences["mota"] = float("nan")
    assert texts(per_sequence(sequences)) == ["no sequence has a figure of MOTA under every seed"]


def test_one_method_on_one_sequence_is_a_picture(sequences):
    one = sequences[(sequences["method"] == "hwf") & (sequences["sequence"] == "street")]
    axes = per_sequence(one)
    axes.figure.draw_without_rendering()
    assert texts(axes) == ["0.30", "mean", "0.30"]


def test_given_axes_are_drawn_into(sequences):
    axes = Figure().subplots()
    assert per_sequence(sequences, axes=axes) is axes
    assert axes.has_data()

import io

import numpy as np
import pandas as pd
import pytest

from analysis.formats import Table, count, metric_name, percent, probability, signed


@pytest.fixture
def table():
    data = pd.DataFrame(
        {
            "method": ["hwf cls=1|2", "lwf_paper", None],
            "mota": [0.5432, np.nan, 0.1],
            "mota_sd": [0.0123, np.nan, np.nan],
            "cost": [1416.4, np.nan, 3.0],
            "gain": [0.1, -0.2, np.nan],
        }
    )
    return Table(
        name="methods",
        caption="50 % of α & β",
        data=data,
        columns={"method": "method", "mota": "val MOTA", "cost": "device-seconds", "gain": "difference"},
        shows={"cost": count, "gain": signed},
        spreads={"mota": "mota_sd"},
    )


def test_figures_are_shown_with_their_spread_and_missing_ones_as_a_dash(table):
    assert table.text().to_numpy().tolist() == [
        ["hwf cls=1|2", "0.543 ± 0.012", "1,416", "+0.100"],
        ["lwf_paper", "-", "-", "-0.200"],
        ["-", "0.100", "3", "-"],
    ]
    assert table.text().columns.tolist() == ["method", "val MOTA", "device-seconds", "difference"]


def test_cells_are_sorted_by_what_they_mean(table):
    rows = table.cells()
    assert [row[0].key for row in rows] == ["hwf cls=1|2", "lwf_paper", None]
    assert [row[2].key for row in rows] == [1416.4, None, 3.0]
    assert [cell.number for cell in rows[0]] == [False, True, True, True]


def test_markdown_has_a_line_a_row_and_escapes_bars(table):
    lines = table.markdown().splitlines()
    assert lines[1] == "| --- | --- | --- | --- |"
    assert lines[2] == "| hwf cls=1\\|2 | 0.543 ± 0.012 | 1,416 | +0.100 |"
    assert len(lines) == 5


def test_latex_is_a_booktabs_table_without_raw_signs(table):
    lines = table.latex().splitlines()
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\caption{50 \% of $\alpha$ \& $\beta$}" in lines
    assert r"\begin{tabular}{lrrr}" in lines
    assert r"lwf\_paper & - & - & -0.200 \\" in lines
    assert r"hwf cls=1|2 & 0.543 $\pm$ 0.012 & 1,416 & +0.100 \\" in lines


def test_csv_has_the_raw_figures_and_their_spreads(table):
    read = pd.read_csv(io.StringIO(table.csv()))
    assert read["mota"].tolist() == pytest.approx([0.5432, np.nan, 0.1], nan_ok=True)
    assert read["mota_sd"].iloc[0] == 0.0123
    assert read.columns.tolist() == ["method", "mota", "cost", "gain", "mota_sd"]


def test_small_p_values_and_shares():
    assert [probability(p) for p in (0.0004, 0.0315, np.nan)] == ["<0.001", "0.032", "-"]
    assert percent(0.256) == "26 %"


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("val_mota", "validation MOTA"),
        ("test_assa", "test AssA"),
        ("idf1", "IDF1"),
        ("id_accuracy", "identity accuracy"),
    ],
)
def test_metrics_in_words(metric, words):
    assert metric_name(metric) == words

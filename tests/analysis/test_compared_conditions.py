from outcomes import write_outcomes

from analysis.conditions import conditions
from study.weighting import equal, famo, hwf


def groups(trials):
    named = trials["study"] + " " + trials["weighting"]
    return [set(named[rows]) for rows in trials.groupby(conditions(trials)).groups.values()]


def test_studies_that_differ_in_the_weighting_only_share_their_conditions(tmp_path):
    write_outcomes(tmp_path, [(hwf.Config(loss_weights={"cls": 2}), [0.5]), (hwf.Config(), [0.5])], study="grid")
    trials = write_outcomes(tmp_path, [(famo.Config(), [0.5, 0.6])], study="learned", point={"train.validate_every": 2})
    assert groups(trials) == [{"grid hwf", "learned famo"}]
    assert conditions(trials).index.equals(trials.index)


def test_another_length_of_training_or_other_data_are_other_conditions(tmp_path):
    write_outcomes(tmp_path, [(equal.Config(), [0.5])], study="short")
    write_outcomes(tmp_path, [(equal.Config(), [0.5])], study="long", point={"train.epochs": 9})
    trials = write_outcomes(tmp_path, [(equal.Config(), [0.5])], study="elsewhere", data_hash="fedcba9876543210")
    assert groups(trials) == [{"elsewhere equal"}, {"long equal"}, {"short equal"}]


def test_points_that_differ_in_more_than_the_weighting_are_other_conditions_unless_they_were_suggested(tmp_path):
    write_outcomes(tmp_path, [(equal.Config(), [0.5]), (famo.Config(), [0.5])], study="own")
    trials = write_outcomes(tmp_path, [(equal.Config(), [0.5])], study="own", point={"train.epochs": 9})
    assert groups(trials) == [{"own equal", "own famo"}, {"own equal"}]
    trials["suggested"] = '{"train.epochs": 4}'
    assert groups(trials) == [{"own equal", "own famo"}]


def test_imported_rows_stand_with_their_study(tmp_path):
    write_outcomes(tmp_path, [(equal.Config(), [0.5]), (famo.Config(), [0.5])], study="own")
    trials = write_outcomes(tmp_path, [(equal.Config(), [0.5])], study="past")
    guests = (trials["weighting"] == "famo") | (trials["study"] == "past")
    trials.loc[guests, "imported_from"] = "past.csv"
    trials.loc[guests, "configuration"] = "{}"
    assert groups(trials) == [{"own equal", "own famo"}, {"past equal"}]

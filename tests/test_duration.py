import pytest
from pydantic import TypeAdapter, ValidationError

from study.duration import Duration, parse_duration, show_duration

SECONDS = {
    "2h": 7200,
    "90m": 5400,
    "45s": 45,
    "1h30m": 5400,
    " 1H 30M ": 5400,
    "1.5h": 5400,
    "1d2h3m4.5s": 93784.5,
    "0.5s": 0.5,
}


@pytest.mark.parametrize(("text", "seconds"), SECONDS.items())
def test_lengths_of_time_as_people_write_them(text, seconds):
    assert TypeAdapter(Duration).validate_python(text) == seconds


@pytest.mark.parametrize(
    "text", ["2x", "", "h", "90", "1h1h", "30m1h", "-2h", "2h!", "1,5h", "2 hours", "1e3s", "infs"]
)
def test_anything_else_is_refused_with_the_text_and_an_example(text):
    with pytest.raises(ValueError, match="is no length of time; expected one such as 2h, 90m, 1h30m or 45s") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("value", ["0h", 0, -5, float("nan"), [3600], "true"])
def test_what_is_no_positive_time_is_refused(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(value)


def test_numbers_are_seconds():
    assert TypeAdapter(Duration).validate_python(90) == 90


def test_times_are_shown_in_two_units():
    shown = [show_duration(seconds) for seconds in (0, 45.4, 59.6, 125, 3599.5, 5400, 100 * 3600)]
    assert shown == ["0s", "45s", "1m00s", "2m05s", "1h00m", "1h30m", "100h00m"]


@pytest.mark.parametrize("seconds", [45, 5400, 86400])
def test_what_is_shown_is_read_as_the_same(seconds):
    assert parse_duration(show_duration(seconds)) == seconds

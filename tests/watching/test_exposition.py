"""The text format, as Prometheus' own parser reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from mmsb.streams.watching.exposition import Exposition, Histogram, Metric

COUNTED = Metric("things_total", "counter", ("kind",), "things\nof a \\ kind")
TIMED = Metric("thing_seconds", "histogram", ("kind",), "how long")
HIGH = Metric("height_meters", "gauge", (), "how high")


def read(to: Exposition):
    return {family.name: family for family in parse(to.text().decode())}


def test_figures_are_read_as_they_were_written():
    to = Exposition([COUNTED, TIMED, HIGH])
    to.add("things_total", 3, "a")
    to.add("things_total", 2**60, "b")
    to.add("height_meters", -0.1)

    found = read(to)

    assert [(sample.labels, sample.value) for sample in found["things"].samples] == [
        ({"kind": "a"}, 3), ({"kind": "b"}, 2**60),
    ]  # fmt: skip
    assert (found["things"].type, found["things"].documentation) == ("counter", "things\nof a \\ kind")
    assert [(sample.labels, sample.value) for sample in found["height_meters"].samples] == [({}, -0.1)]
    assert found["thing_seconds"].samples == []


@pytest.mark.parametrize("value", ['quo"te', "back\\slash", "new\nline", "a,b={}", "übermäßig", ""])
def test_labels_may_hold_anything(value):
    to = Exposition([COUNTED])
    to.add("things_total", 1, value)

    [sample] = read(to)["things"].samples

    assert sample.labels == {"kind": value}


def test_buckets_of_a_histogram_are_those_at_or_below_their_bound():
    to, histogram = Exposition([TIMED]), Histogram((0.5, 1.0))
    for value, count in ((0.5, 2), (0.7, 3), (9.0, 1)):
        histogram.observe(value, count)
    to.add_histogram("thing_seconds", histogram, "a")

    found = {(sample.name, sample.labels.get("le")): sample.value for sample in read(to)["thing_seconds"].samples}

    assert found == {
        ("thing_seconds_bucket", "0.5"): 2, ("thing_seconds_bucket", "1.0"): 5, ("thing_seconds_bucket", "+Inf"): 6,
        ("thing_seconds_sum", None): pytest.approx(12.1), ("thing_seconds_count", None): 6,
    }  # fmt: skip


def test_labels_are_those_of_the_table():
    to = Exposition([COUNTED])
    with pytest.raises(ValueError, match="shorter"):
        to.add("things_total", 1)
    with pytest.raises(KeyError):
        to.add("others_total", 1)

"""The shipped worker, journal and fold over a model of Kafka: what is told is true, and all comes to rest."""

from tests.simulation.kafka.life import KafkaLife


def test_a_seed_repeats_itself() -> None:
    first, again = KafkaLife(3), KafkaLife(3)
    first.run()
    again.run()
    assert first.trace.lines == again.trace.lines

"""What may befall the processes of a life behind Kafka: killed, frozen and woken, told to stop, or gone with a file
operation or an append that is on its way."""

from typing import TYPE_CHECKING, Final

from tests.simulation.kafka.machines import Machine
from tests.simulation.kafka.workers import Place

if TYPE_CHECKING:
    from tests.simulation.kafka.life import KafkaLife

FILES: Final = (("", 300), ("/tlog/", 60), ("/intents/", 60), ("/home/", 40), ("/mark", 20))
"""Parts of paths, and how many operations on such go well at most before one takes its process with it."""


def befall(life: "KafkaLife") -> None:
    """Something happens to some process."""
    random = life.random
    running = [machine for machine in life.machines if machine.place is not None]
    if life.peaceful or not running:
        return
    machine = random.choice(running)
    place = machine.place
    assert place is not None, "it runs"
    kind = random.random()
    if kind < 0.2:
        kill(life, machine)
    elif kind < 0.35:
        life.dies_appending = machine
    elif kind < 0.5:
        place.process.files.crash_on, most = random.choice(FILES)
        place.process.files.operations_left = random.randrange(most)
    elif kind < 0.85 and not place.process.frozen:
        _freeze(life, machine, place)
    elif not place.process.frozen and machine.running is not None:
        life.trace.add(f"=== {machine.name} is told to stop")
        machine.running.cancel()


def kill(life: "KafkaLife", machine: Machine) -> None:
    life.trace.add(f"=== {machine.name} is killed")
    life.gone(machine, power=life.random.random() < 0.4)


def _freeze(life: "KafkaLife", machine: Machine, place: Place) -> None:
    seconds = life.random.choice((1.0, 15.0, 40.0)) * (0.5 + life.random.random())
    life.trace.add(f"=== {machine.name} is frozen for {seconds:.1f} s")
    life.theatre.freeze(place.process)
    life.theatre.interrupt(seconds, lambda: thaw(life, machine, place))


def thaw(life: "KafkaLife", machine: Machine, place: Place) -> None:
    if place.process.frozen:
        life.trace.add(f"=== {machine.name} goes on")
        place.woke = True
        life.theatre.thaw(place.process)

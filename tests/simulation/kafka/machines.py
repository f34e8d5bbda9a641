"""The computers of a simulated life behind Kafka, and what tells them apart."""

import asyncio
from dataclasses import dataclass

from tests.simulation.clients import Town
from tests.simulation.kafka.workers import Place
from tests.simulation.world import SimFiles, Trace


class NamedTrace(Trace):
    """The lines of one machine."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(now=trace.now)
        self._trace, self._name = trace, name

    def add(self, text: str) -> None:
        self._trace.add(f"{self._name}: {text}")


class NamedTown(Town):
    """Whose tags nobody else's are."""

    name = ""

    def tag(self) -> str:
        return f"{self.name} {super().tag()}"


@dataclass
class Machine:
    """A computer that starts its process again whenever it has ended."""

    name: str
    files: SimFiles
    owns: bool = True
    place: Place | None = None
    running: "asyncio.Task[None] | None" = None

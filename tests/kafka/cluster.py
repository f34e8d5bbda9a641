"""Real brokers for tests: Apache Kafka in KRaft mode on free ports of 127.0.0.1, each node broker and controller.

Brokers die with the thread that started them, however that ends, so start them from the main thread.
"""

import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Final

from tests.kafka.programs import java

START_S: Final = 60
STOP_S: Final = 20
PORTS: Final = range(20_000, 32_000)
"""Below those that outgoing connections take, so that a broker that was down finds its own free again."""

SETTINGS: Final = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",  # a killed one comes back only when its former life has lapsed
    "log.cleaner.dedupe.buffer.size": "2097152",  # by default a quarter of the heap
    "num.network.threads": "2",
    "num.io.threads": "4",
}

DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "  # PR_SET_PDEATHSIG, SIGKILL: it outlasts exec
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_METADATA_OF_NO_TOPICS = struct.pack(">ihhihi", 14, 3, 1, 7, -1, 0)


@dataclass(frozen=True)
class Listener:
    """One more door of each node: with SASL, say, or one that the node advertises as the port of a proxy before it."""

    name: str
    protocol: str = "PLAINTEXT"
    advertised: int | None = None


@dataclass
class Node:
    id: int
    folder: Path
    ports: dict[str, int]
    """By listener."""

    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def port(self) -> int:
        return self.ports["PLAINTEXT"]

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it; nobody waits until it answers."""
        assert self._process is None, f"node {self.id} runs"
        command = [
            sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT,
            *java("kafka.Kafka"), str(self.folder / "properties"),
        ]  # fmt: skip
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        """Have it end in order: it hands over what it leads. Killed if it does not."""
        process = self._running()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def kill(self) -> None:
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def freeze(self) -> None:
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def wait(self, brokers: int = 1) -> None:
        """Wait until it answers that so many brokers are up."""
        deadline = time.monotonic() + START_S
        while _brokers_seen(self.port) < brokers:
            if self._running().poll() is not None:
                raise AssertionError(f"node {self.id} ended: {self.output()}")
            assert time.monotonic() < deadline, f"node {self.id} does not answer: {self.output()}"
            time.sleep(0.05)

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")[-4_000:]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"node {self.id} does not run"
        return self._process


@dataclass(frozen=True)
class Cluster:
    nodes: list[Node]

    @property
    def url(self) -> str:
        return self.url_of("PLAINTEXT")

    def url_of(self, listener: str) -> str:
        return "kafka://" + ",".join(f"127.0.0.1:{node.ports[listener]}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def wait(self) -> None:
        for node in self.nodes:
            node.wait(len(self.nodes))

    def restart(self) -> None:
        """On the same ports and in the same folders."""
        self.start()
        self.wait()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


@contextmanager
def running_cluster(
    folder: Path,
    nodes: int = 1,
    settings: Mapping[str, str] | None = None,
    listeners: Sequence[Listener] = (),
    users: Mapping[str, str] | None = None,
) -> Generator[Cluster]:
    """Three nodes keep everything three times and take what two of them have. `users` may come by SCRAM."""
    doors = [Listener("PLAINTEXT"), Listener("CONTROLLER"), *listeners]
    ports = iter(free_ports(nodes * len(doors)))
    cluster = Cluster(
        [Node(id, folder / f"node-{id}", {door.name: next(ports) for door in doors}) for id in range(1, nodes + 1)]
    )
    everywhere = {**SETTINGS, **_replication(nodes), **_quorum(cluster), **(settings or {})}
    _format(cluster, everywhere, doors, users or {})
    try:
        cluster.restart()
        yield cluster
    finally:
        for node in cluster.nodes:
            if node.is_running:
                node.kill()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    chosen: list[int] = []
    random = SystemRandom()
    while len(chosen) < count:
        port = random.choice(PORTS)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in chosen:
            chosen.append(port)
    return chosen


def _replication(nodes: int) -> dict[str, str]:
    copies, least = str(nodes), str(max(1, nodes - 1))
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": least,
    }


def _quorum(cluster: Cluster) -> dict[str, str]:
    voters = ",".join(f"{node.id}@127.0.0.1:{node.ports['CONTROLLER']}" for node in cluster.nodes)
    return {"controller.quorum.voters": voters}


def _format(
    cluster: Cluster, everywhere: Mapping[str, str], doors: Sequence[Listener], users: Mapping[str, str]
) -> None:
    """Give the nodes their folders: those of one cluster are told so by its id."""
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "x")
    formatting: list[subprocess.Popen[bytes]] = []
    for node in cluster.nodes:
        node.folder.mkdir(parents=True)
        properties = {**everywhere, **_doors(node, doors), "node.id": str(node.id), "log.dirs": f"{node.folder}/logs"}
        (node.folder / "properties").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        scram = [
            word for name, password in users.items() for bits in (256, 512)
            for word in ("--add-scram", f"SCRAM-SHA-{bits}=[name={name},password={password}]")
        ]  # fmt: skip
        command = [
            *java("kafka.tools.StorageTool"), "format", "-t", cluster_id,
            "-c", str(node.folder / "properties"), *scram,
        ]  # fmt: skip
        with (node.folder / "output").open("ab") as output:
            formatting.append(subprocess.Popen(command, cwd=node.folder, stdout=output, stderr=subprocess.STDOUT))
    codes = [process.wait(START_S) for process in formatting]
    assert not any(codes), [node.output() for node in cluster.nodes]


def _doors(node: Node, doors: Sequence[Listener]) -> dict[str, str]:
    advertised = [
        f"{door.name}://127.0.0.1:{door.advertised or node.ports[door.name]}"
        for door in doors
        if door.name != "CONTROLLER"
    ]
    return {
        "listeners": ",".join(f"{door.name}://127.0.0.1:{node.ports[door.name]}" for door in doors),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(f"{door.name}:{door.protocol}" for door in doors),
    }


def _brokers_seen(port: int) -> int:
    """How many brokers one of them knows to be up; none while it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as asking:
            asking.sendall(_METADATA_OF_NO_TOPICS)
            answer = asking.recv(12, socket.MSG_WAITALL)
    except OSError:
        return 0
    return struct.unpack(">iii", answer)[2] if len(answer) == 12 else 0

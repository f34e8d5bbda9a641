"""What `app.run` and `mmsb.connect` are told, looked at before anything is opened."""

from typing import TYPE_CHECKING

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.tlog.claims import Durability

if TYPE_CHECKING:
    from mmsb.streams.kafka.cluster.security import Cluster, Security
    from mmsb.streams.kafka.outputs.projecting import Form
    from mmsb.streams.watching.http import Address


def check_count(name: str, given: int | None, most: int) -> None:
    if given is not None and (type(given) is not int or not 1 <= given <= most):
        raise InvalidValue(f"{name}: expected 1 to {most}, found {given!r}")


def check_embedded(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidValue(f'{name}: only with log="kafka://host:port"; an embedded log has nobody to share with')


def check_behind_kafka(**given: object) -> None:
    what = {"durability": "brokers decide what survives what", "spare": "say standby=True to follow what others own"}
    for name, value in given.items():
        if value is not None:
            raise InvalidValue(f"{name}: not with a log behind Kafka: {what[name]}")


def form_of(name: str | None) -> "Form | None":
    from mmsb.streams.kafka.outputs.projecting import Form

    forms: dict[str | None, Form | None] = {None: Form.PACKED, "none": None, **{form.value: form for form in Form}}
    if name not in forms:
        raise InvalidValue(f'events: expected "packed", "json" or "none", found {name!r}')
    return forms[name]


def durability_of(name: Durability | str) -> Durability:
    embedded = (Durability.FSYNC, Durability.PROCESS)
    found = next((each for each in embedded if name in (each, each.name.lower())), None)
    if found is None:
        raise InvalidValue(f'durability: expected "fsync" or "process", found {name!r}')
    return found


def check_memory(memory: int | None, partitions: int) -> None:
    from mmsb.streams.folder import MEMORY_MIN

    least = MEMORY_MIN * partitions
    if memory is not None and (type(memory) is not int or memory < least):
        raise InvalidValue(f"memory: expected {least} bytes or more, {MEMORY_MIN} for each partition; found {memory!r}")


def cluster_of(url: str, security: "Security | None") -> "Cluster":
    from mmsb.streams.kafka.cluster.security import OPEN, Cluster

    return Cluster(url, security or OPEN)


def address_of(http: str | None) -> "Address | None":
    """Where probes and Prometheus are answered, if they are."""
    if http is None:
        return None
    from mmsb.streams.watching.http import parse_address

    return parse_address(http)

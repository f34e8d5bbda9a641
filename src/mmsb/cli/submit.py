"""`mmsb submit`: one intent from the command line, or lines of JSON as they are."""

from argparse import ArgumentParser, Namespace
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.owner import OR_RUN_IT, running
from mmsb.cli.screen import Screen
from mmsb.cli.settings import OWNING, add_flag
from mmsb.cli.values import named, parse_arguments
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import make_id
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.sentences import repeats, sentence
from mmsb.schemas.statuses import Status
from mmsb.streams.kafka.cluster.url import app_of, is_url

if TYPE_CHECKING:
    from mmsb.streams.kafka.clients.door import KafkaDoor
    from mmsb.streams.tickets import Receipt


def submit(asked: Namespace, screen: Screen) -> int:
    if (asked.type is None) == (asked.jsonl is None):
        raise InvalidValue(
            "expected one intent, as in `mmsb submit DATA Transfer src=1 dst=2 amount=10`, or lines with --jsonl FILE, "
            f"found {'neither' if asked.type is None else 'both'}"
        )
    if asked.timeout is not None and asked.timeout <= 0:
        raise InvalidValue(f"--timeout: expected more than 0 seconds, found {asked.timeout:g}; leave it out to wait")
    if asked.jsonl is not None:
        from mmsb.cli.lines import submit_lines  # loads asyncio's clients, and NumPy

        return submit_lines(asked, screen)
    if is_url(asked.data):
        return _show(screen, *_ask_topics(asked))
    return _show(screen, *(_run_app(asked) if asked.app else _ask_owner(asked)))


def _ask_topics(asked: Namespace) -> "tuple[Descriptor, Receipt]":
    import asyncio  # not at the top, because the owner answers at once

    return asyncio.run(_submit_to_topics(asked))


async def _submit_to_topics(asked: Namespace) -> "tuple[Descriptor, Receipt]":
    async with topics(asked) as door:
        descriptor = door.about.descriptor
        return descriptor, await door.submit(_packed(asked, descriptor), asked.until, asked.timeout)


@asynccontextmanager
async def topics(asked: Namespace) -> "AsyncGenerator[KafkaDoor]":
    """What the command line names as DATA, of which nothing is owned; --app may say where an intent belongs."""
    from mmsb.cli.apps import load_app
    from mmsb.streams.kafka.cluster.security import from_environment
    from mmsb.streams.kafka.engine import KafkaSettings, behind
    from mmsb.streams.terminal import Folding
    from mmsb.streams.world import RealWorld

    url, app = app_of(asked.data)
    bundle = load_app(asked.app).bundle() if asked.app else None
    settings, world = KafkaSettings(), RealWorld()
    async with behind(url, from_environment(), app, bundle, None, settings, world, Folding(), owns=False) as door:
        yield door


def _ask_owner(asked: Namespace) -> "tuple[Descriptor, Receipt]":
    owner = running(asked.data, OR_RUN_IT)
    try:
        return owner.descriptor, owner.submit(_packed(asked, owner.descriptor), asked.until, asked.timeout)
    finally:
        owner.close()


def _run_app(asked: Namespace) -> "tuple[Descriptor, Receipt]":
    import asyncio  # not at the top, because the owner answers at once

    return asyncio.run(_run_and_submit(asked))


async def _run_and_submit(asked: Namespace) -> "tuple[Descriptor, Receipt]":
    from mmsb.cli.owning import opened

    async with opened(asked) as bus:
        descriptor = bus.door.about.descriptor
        return descriptor, await bus.door.submit(_packed(asked, descriptor), asked.until, asked.timeout)


def _packed(asked: Namespace, descriptor: Descriptor) -> bytes:
    layout: IntentLayout = named(descriptor.intents, asked.type, "intent")
    arguments = parse_arguments(layout, asked.fields)
    about = Metadata(asked.actor, asked.reason, _id(asked.correlation), _id(asked.causation))
    return pack_intent(layout.type_id, arguments, id=_id(asked.id), metadata=about.pack())


def _id(text: str | None) -> bytes | None:
    return None if text is None else make_id(text)


def _show(screen: Screen, descriptor: Descriptor, receipt: "Receipt") -> int:
    found = receipt_json(descriptor, receipt)
    if screen.machine:
        screen.record(found)
    else:
        why = found["why"] or repeats(found["first_offset"])
        where = f" in partition {receipt.partition}" if receipt.partition else ""
        screen.line(f"{found['status']} at offset {receipt.offset}{where}{': ' if why else ''}{why}")
    return Exit.REJECTED if receipt.status == Status.REJECTED else Exit.DONE


def receipt_json(descriptor: Descriptor, receipt: "Receipt") -> dict[str, Any]:
    rejection = receipt.rejection
    return {
        "partition": receipt.partition,
        "offset": receipt.offset,
        "status": "logged" if receipt.status is None else str(receipt.status),
        "first_offset": receipt.first_offset,
        "rejection": None if rejection is None else rejection.code.name.lower(),
        "why": None if rejection is None else sentence(rejection, descriptor.layouts_by_type, descriptor.messages),
    }


def _add(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("type", metavar="TYPE", nargs="?", help="the intent's class, as in the code: Transfer")
    parser.add_argument(
        "fields", metavar="FIELD=VALUE", nargs="*", default=[], help="its fields; a default may be left out"
    )
    parser.add_argument("--id", metavar="TEXT", help="a UUID or any text; the same one again applies nothing twice")
    parser.add_argument("--actor", metavar="TEXT", help="who asks")
    parser.add_argument("--reason", metavar="TEXT", help="why")
    parser.add_argument("--correlation", metavar="TEXT", help="the id of what it belongs to")
    parser.add_argument("--causation", metavar="TEXT", help="the id of what led to it")
    parser.add_argument(
        "--until", choices=("logged", "settled"), default="settled",
        help="what to wait for: that it cannot be lost (logged), or its outcome (settled, the default)",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long to wait (for ever)")
    parser.add_argument("--jsonl", metavar="FILE", help="log each line of a file as it is (- for standard input)")
    parser.add_argument(
        "--app", metavar="APP",
        help="run this application over DATA meanwhile, since nobody else does; of topics: the code that says in which "
        "partition an intent belongs",
    )  # fmt: skip
    for setting in OWNING:
        add_flag(parser, setting)
    add_json(parser, "a receipt for each intent")


SUBMIT = Command(
    "submit",
    "DATA TYPE FIELD=VALUE … [options] | DATA --jsonl FILE [options]",
    "submit an intent, or many as lines of JSON",
    "It goes to whoever runs the folder, and is checked there: what may not happen settles as rejected, which is "
    "recorded, too, and ends with exit code 3.\n\n"
    'A line of JSON is {"@type": "Transfer", "src": 1, "dst": 2, "amount": 10}, and "@id", "@actor", "@reason" if '
    "wanted. Lines are logged as they are: one that is no intent settles as rejected, and the others go on. With "
    "--app no other process is needed; except for topics, whose workers settle what is in them.",
    (
        "mmsb submit ./data/bank Transfer src=1 dst=2 amount=10 --actor alice --reason rent",
        "mmsb submit ./data/bank --jsonl transfers.jsonl",
        "mmsb submit ./data/bank --app examples.bank:app Open account=1 owner=ann",
        "mmsb submit kafka://localhost:9092/bank --app examples.bank:app Open account=1 owner=ann",
    ),
    _add,
    submit,
)

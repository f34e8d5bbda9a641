"""`mmsb run`: owns a data folder until it is told to stop, and lets other processes talk to it."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from mmsb.cli.command import Command, positive
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen


def run(asked: Namespace, screen: Screen) -> int:
    import asyncio  # not at the top, because other commands import this and answer at once

    from mmsb.cli.owning import serve

    asyncio.run(serve(asked, screen))
    return Exit.DONE


def add_app_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--interpreted", action="store_true", help="run the code as plain Python: slow, and stops at your breakpoints"
    )
    parser.add_argument(
        "--dev", action="store_true", help="while you develop: changed code takes the next generation by itself"
    )
    parser.add_argument(
        "--durability", choices=("fsync", "process"),
        help="what a receipt promises: it survives a loss of power (fsync, the default), or the death of the process",
    )  # fmt: skip
    parser.add_argument("--partitions", type=int, metavar="N", help="when the folder is made: how many (1)")
    parser.add_argument(
        "--window", type=int, metavar="N", help="when the folder is made: how many offsets back an id is known (2^20)"
    )
    parser.add_argument(
        "--memory", type=_bytes, metavar="BYTES",
        help="what pages and their indexes may take, as 512M or 4G (half of what the machine has)",
    )  # fmt: skip
    parser.add_argument("--checkpoint-seconds", type=float, metavar="S", help="make a checkpoint each S seconds")
    parser.add_argument(
        "--trim", action="store_true", help="remove log that lies before the older of the two newest checkpoints"
    )


def _add_kafka_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        metavar="URL",
        help="kafka://HOST:PORT: the logs are topics, which several workers share (docs/kafka.md)",
    )
    parser.add_argument("--replicas", type=positive, metavar="N", help="with --log: copies of topics that are made")
    parser.add_argument(
        "--standby", action="store_true", help="with --log: follow what others own, so as to take over at once"
    )
    parser.add_argument(
        "--checkpoints",
        metavar="FOLDER",
        help="with --log: where workers put checkpoints, and find those of others",
    )
    parser.add_argument(
        "--events",
        choices=("packed", "json", "none"),
        help="with --log: how events and rejects are published in their topics (packed)",
    )


def _bytes(text: str) -> int:
    """A number, or one with K, M, G or T behind it."""
    power = "KMGT".find(text[-1:].upper()) + 1 if text else 0
    try:
        return int(text[:-1] if power else text) << (10 * power)
    except ValueError:
        raise ArgumentTypeError(f"expected a number of bytes, as 512M or 4G, found {text!r}") from None


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="module:name, or path/to/file.py where there is one mmsb.App in it")
    parser.add_argument("--data", required=True, metavar="DATA", help="the data folder; made if it is not there")
    parser.add_argument(
        "--spare", action="store_true", help="wait until the process that runs DATA has ended, and take over at once"
    )
    parser.add_argument(
        "--http", metavar="[HOST:]PORT",
        help="answer probes and Prometheus there: /alive /ready /progressing /metrics /stats (host 127.0.0.1)",
    )  # fmt: skip
    add_app_options(parser)
    _add_kafka_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="for machines: an object when it waits or is ready, and at the end"
    )


RUN = Command(
    "run",
    "APP --data DATA [options]",
    "run an application over a data folder until it is stopped",
    "It folds what the folder holds, takes it over, and serves it: the other commands, and programs with "
    "mmsb.connect, talk to it. SIGTERM or Ctrl-C ends it once all that was submitted has settled. kill -9 loses "
    "nothing that a receipt promised.\n\n"
    "With --spare it has all code loaded and waits for the end of the process that runs DATA, which it does not touch "
    "before. It then serves within a tenth of a second, and what had come since the last flush is folded as at any "
    "start. SIGTERM ends it while it waits, too.\n\n"
    "With --log the logs are topics of a cluster, and DATA keeps what this worker knows of them. Any number of workers "
    "share the partitions out; who we are to the brokers, the variables MMSB_KAFKA_… say.",
    (
        "mmsb run examples.bank:app --data ./data/bank",
        "mmsb run examples.bank:app --data ./worker-1 --log kafka://localhost:9092 --standby",
        "mmsb run examples.bank:app --data ./data/bank --spare",
        "mmsb run examples.bank:app --data ./data/bank --http 9464",
        "mmsb run shop.py --data ./data/shop --dev",
    ),
    _add,
    run,
)

"""`mmsb run`: owns a data folder until it is told to stop, and lets other processes talk to it."""

import os
from argparse import ArgumentParser, Namespace

from mmsb.cli.command import Command
from mmsb.cli.configuring import find, settle, show
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen
from mmsb.cli.settings import APP, DATA, OWNING, RUNNING, add_flag


def run(asked: Namespace, screen: Screen) -> int:
    held = find(asked, os.environ)
    if asked.show_config:
        show(held, screen)
        return Exit.DONE
    settled = settle(asked, held)
    import asyncio  # not at the top, because other commands import this and answer at once

    from mmsb.cli.owning import serve

    asyncio.run(serve(settled, screen))
    return Exit.DONE


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(APP.key, metavar=APP.metavar, nargs="?", help=APP.help)
    parser.add_argument("--config", metavar="FILE", help="a file of settings, in TOML (docs/configuration.md)")
    parser.add_argument("--show-config", action="store_true", help="show every setting and where it is from, and end")
    for setting in (DATA, *OWNING, *RUNNING):
        if not setting.secret:
            add_flag(parser, setting, over_others=True)
    parser.add_argument(
        "--json", action="store_true", help="for machines: an object when it waits or is ready, and at the end"
    )


RUN = Command(
    "run",
    "[APP] [--config FILE] [--data DATA] [options]",
    "run an application over a data folder until it is stopped",
    "It folds what the folder holds, takes it over, and serves it: the other commands, and programs with "
    "mmsb.connect, talk to it. SIGTERM or Ctrl-C ends it once all that was submitted has settled. kill -9 loses "
    "nothing that a receipt promised.\n\n"
    "With --spare it has all code loaded and waits for the end of the process that runs DATA, which it does not touch "
    "before. It then serves within a tenth of a second, and what had come since the last flush is folded as at any "
    "start. SIGTERM ends it while it waits, too.\n\n"
    "With --log the logs are topics of a cluster, and DATA keeps what this worker knows of them. Any number of workers "
    "share the partitions out.\n\n"
    "Whatever is said here may be said in a file of settings, or by a variable of the environment: `partitions = 8`, "
    "or MMSB_PARTITIONS=8. A flag goes over a variable, and that over the file. A password has no flag: "
    "--kafka-password-file names a file that has it, or MMSB_KAFKA_PASSWORD is the password.",
    (
        "mmsb run examples.bank:app --data ./data/bank",
        "mmsb run examples.bank:app --data ./worker-1 --log kafka://localhost:9092 --standby",
        "mmsb run examples.bank:app --data ./data/bank --spare",
        "mmsb run examples.bank:app --data ./data/bank --http 9464",
        "mmsb run shop.py --data ./data/shop --dev",
        "mmsb run --config bank.toml --show-config",
    ),
    _add,
    run,
)

"""Bugs planted into checkpoints, trimming and migrations, and the claim of the simulation that each breaks."""

from typing import Final

from tests.planted.bugs import Bug

SEEDS: Final = ("simulate", "0", "100")

UPKEEP_BUGS: Final = (
    Bug(
        "logs are trimmed behind the newest checkpoint",
        "streams/checkpoints/keeping.py",
        "    older = newest[1].facts\n",
        "    older = newest[0].facts\n",
        SEEDS,
        "[logs begin before two checkpoints]",
        "if the newest is damaged, the one before it is a way back",
    ),
    Bug(
        "logs are trimmed whatever ids are remembered",
        "streams/checkpoints/trimming.py",
        "tlog_of(tlog, newest[0].facts.settled - window)",
        "tlog.end",
        SEEDS,
        "[blocks of remembered ids are kept]",
        "the outcome of whatever may be submitted again is in the log",
    ),
    Bug(
        "a log is trimmed without a word of where it begins",
        "streams/log/trimming.py",
        "    write_begin(files, folder, begin)\n",
        "",
        SEEDS,
        "[it starts again]",
        "what is missing in front must be known to have been trimmed",
    ),
    Bug(
        "a checkpoint's name is not synced",
        "streams/checkpoints/creating.py",
        "    files.replace(draft, draft.parent / name_of(manifest.facts))\n    files.sync_folder(draft.parent)\n",
        "    files.replace(draft, draft.parent / name_of(manifest.facts))\n",
        SEEDS,
        "[a checkpoint that is told of is durable]",
        "logs are trimmed behind it, so no loss of power may take it",
    ),
    Bug(
        "the oldest checkpoint takes the place of a damaged home",
        "streams/checkpoints/listing.py",
        "    for name in list_names(world.files, partition):\n        folder",
        "    for name in reversed(list_names(world.files, partition)):\n        folder",
        SEEDS,
        "[a damaged home is replaced]",
        "the newest sound one leaves the least to fold, and the log may not reach back to older ones",
    ),
    Bug(
        "all that is older than a checkpoint counts as trimmed",
        "streams/past/past.py",
        "            if self._catalog.floor is not None and base.settled <= self._catalog.floor.settled:\n",
        "            if self._catalog.floor is not None:\n",
        SEEDS,
        "[only what was trimmed is refused]",
        "what the log has, it tells",
    ),
    Bug(
        "new fields have no default",
        "state/converting.py",
        "        after[:, field.offset : field.end] = np.frombuffer(column.default, np.uint8)\n",
        "",
        SEEDS,
        "[state is the model's]",
        "a migration gives a field what its class says",
    ),
    Bug(
        "a creation tells of no field that came later",
        "streams/past/forward.py",
        "        return (1 << len(new.fields)) - 1\n",
        "        return (1 << len(old.fields)) - 1\n",
        SEEDS,
        "[the past is what happened]",
        "a page came into being with all of the fields that it has now",
    ),
)

"""`mmsb migrate`: what a new release makes of the pages in a folder, before it does, and the start that does it."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from mmsb.cli.apps import load_app
from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen, counted
from mmsb.cli.settings import GENERATION, add_flag
from mmsb.cli.values import fields_json, shown
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.json_values import json_key

if TYPE_CHECKING:
    from mmsb.app import App
    from mmsb.cli.stored import Stored
    from mmsb.processors.bundle import Bundle
    from mmsb.state.array_fold import ArrayFold
    from mmsb.state.arrays import ArrayState
    from mmsb.state.planning import Plan

SAMPLES: Final = 3  # pages of each type


@dataclass
class Found:
    """What becomes of a page type; partitions that were left in different states give several."""

    plan: "Plan"
    pages: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def as_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "page": plan.new.name,
            "from": plan.old.signature,
            "to": plan.new.signature,
            "pages": self.pages,
            "steps": [step.to_json() for step in plan.steps],
            "problems": list(plan.problems),
            "samples": self.samples,
        }


def migrate(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    app = load_app(asked.app)
    bundle = app.bundle(generation=asked.generation)
    stored = Stored(Path(asked.data))
    try:
        found, folds = _look(stored, bundle, screen)
        for each in found:
            _show(screen, each)
        unknown = _show_intents(screen, folds[0], bundle)
    finally:
        stored.close()
    if any(each.plan.problems for each in found):
        return Exit.CALLER
    if found or unknown:
        _check_generation(folds, bundle)
    return _finish(asked, screen, app, found)


def _look(stored: "Stored", bundle: "Bundle", screen: Screen) -> tuple[list[Found], list["ArrayFold"]]:
    from mmsb.streams.opening import plans_for

    found: dict[tuple[str, int], Found] = {}
    folds: list[ArrayFold] = []
    with screen.progress("folding") as progress:
        for partition in stored.partitions:
            fold = stored.fold(partition, progress.tell)
            folds.append(fold)
            for plan in plans_for(fold, bundle):
                _count(fold, found.setdefault((plan.new.name, plan.old.type_id), Found(plan)))
    return list(found.values()), folds


def _count(fold: "ArrayFold", found: Found) -> None:
    from mmsb.state.migrations import convert, follow

    old, new = found.plan.old, found.plan.new
    pages = cast("ArrayState", fold.state).array_pages.of(old)
    found.pages += len(pages)
    columns = None if found.plan.problems else follow(old, new, found.plan.steps)
    for key, _, body in islice(pages, SAMPLES - len(found.samples)):
        after = None if columns is None else fields_json(new, convert(body, new, columns))
        found.samples.append({"key": json_key(old, key), "before": fields_json(old, body), "after": after})


def _check_generation(folds: "list[ArrayFold]", bundle: "Bundle") -> None:
    """Raise what a start would raise."""
    from mmsb.schemas.tlog.claims import Durability
    from mmsb.streams.opening import Code, bundle_for

    for fold in folds:
        bundle_for(fold, Code(bundle, None, Durability.FSYNC))


def _finish(asked: Namespace, screen: Screen, app: "App", found: list[Found]) -> int:
    done = False
    if found and not asked.dry_run:
        import asyncio

        asyncio.run(_start(app, asked))
        done = True
    if not screen.machine:
        now = "migrated" if done else "nothing was changed; the next start of this release does it"
        screen.line(now if found else "nothing to migrate: all pages have the layouts of their classes")
    return Exit.DONE


async def _start(app: "App", asked: Namespace) -> None:
    """Every start migrates, so this is one, and the end of it."""
    async with app.run(data=asked.data, generation=asked.generation):
        """Leaving it settles what was logged."""


def _show_intents(screen: Screen, fold: "ArrayFold", bundle: "Bundle") -> int:
    """The intents of the release before that this one does not know: those that come still are rejected."""
    known = {layout.type_id for layout in bundle.descriptor.intents}
    before = fold.claim.descriptor.intents if fold.claim else ()
    unknown = [layout.signature for layout in before if layout.type_id not in known]
    for signature in unknown:
        if screen.machine:
            screen.record({"unknown": signature})
        else:
            screen.line(f"`{signature}` is not known any more: such intents, also those in the log, will be rejected")
    return len(unknown)


def _show(screen: Screen, found: Found) -> None:
    if screen.machine:
        screen.record(found.as_json())
        return
    plan = found.plan
    screen.line(f"{plan.new.name}: {counted(found.pages, 'page')}")
    screen.line(f"  now   {plan.old.signature}")
    screen.line(f"  then  {plan.new.signature}")
    for step in plan.steps:
        screen.line(f"  {step.op:6}  {step.field}{_argument(plan, step.op, step.field, step.argument)}")
    for problem in plan.problems:
        screen.line(f"  PROBLEM {problem}")
    if found.samples:
        screen.table(("page", "field", "now", "then"), [row for each in found.samples for row in _rows(plan, each)])
    screen.line()


def _argument(plan: "Plan", op: str, name: str, argument: str | None) -> str:
    if op == "add":
        return f" = {shown(fields_json(plan.new, plan.new.default_body)[name])}"
    return "" if argument is None else f" to {argument}"


def _rows(plan: "Plan", sample: dict[str, Any]) -> list[tuple[object, ...]]:
    """A page, a line for each of its fields, old and new."""
    before: dict[str, Any] = sample["before"]
    after: dict[str, Any] = sample["after"] or {}
    names = [*before, *(name for name in after if name not in before)]
    page = f"{plan.new.name} {_key(sample['key'])}"
    return [(page, name, *(shown(side[name]) if name in side else None for side in (before, after))) for name in names]


def _key(key: JsonValue) -> str:
    return ",".join(map(shown, key)) if isinstance(key, list) else shown(key)


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="module:name, or path/to/file.py where there is one mmsb.App in it")
    add_data(parser)
    parser.add_argument("--dry-run", action="store_true", help="only show what would change; nothing is written")
    add_flag(parser, GENERATION)
    add_json(parser, "an object for each page type that changes, and for each intent that is known no more")


MIGRATE = Command(
    "migrate",
    "APP DATA [--dry-run] [--generation N]",
    "show what a release makes of the pages in a folder, and do it",
    "Where a page class has other fields than its pages, they are converted when an engine starts. This shows how: "
    "which fields are added, dropped, renamed and widened, how many pages there are, and what becomes of the first of "
    "them. Then it starts the application, which converts them, and ends it. Where something would be lost that the "
    "class does not name, it says what to write and changes nothing: exit code 2, or 5 if the generation must be "
    "higher.",
    ("mmsb migrate shop.py ./data/shop --dry-run", "mmsb migrate shop.py ./data/shop"),
    _add,
    migrate,
)

"""Plans migrations: from the layout that pages have to the one that their class has now, by what the class says.

Nothing is guessed. Where it cannot be told what a field goes on with, or where something would be lost that the class
does not name, there is no plan but a problem, which says what to write.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import Field, PageLayout
from mmsb.schemas.origins import Origins
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.types import Array
from mmsb.state.migrations import widens


@dataclass(frozen=True, slots=True)
class Plan:
    """One page type's way; `problems` say why there is none."""

    old: PageLayout
    new: PageLayout
    steps: tuple[Step, ...]
    problems: tuple[str, ...]

    @property
    def migration(self) -> Migration:
        if self.problems:
            layouts = f"pages in the data are `{self.old.signature}`, and the class is `{self.new.signature}`"
            raise InvalidValue(f"{self.new.name}: {layouts}: {'; '.join(self.problems)}")
        return Migration(self.new.name, self.old.type_id, self.new.type_id, self.steps)


def make_plans(
    known: Mapping[str, PageLayout],
    pages: Iterable[PageLayout],
    origins: Mapping[str, Origins],
    partition_count: int,
) -> list[Plan]:
    """Of each page type whose pages have another layout than its class, by name."""
    plans: list[Plan] = []
    for new in sorted(pages, key=lambda page: page.name):
        old = known.get(new.name)
        if old is None:
            continue
        lost = [] if partition_count == 1 else _check_partitioning(old, new)
        if old.type_id != new.type_id or lost:
            plans.append(_plan(old, new, origins.get(new.name, Origins()), [*_check_key(old, new), *lost]))
    return plans


def _check_partitioning(old: PageLayout, new: PageLayout) -> list[str]:
    if old.partition_by == new.partition_by:
        return []
    was, now = list(old.partition_by), list(new.partition_by)
    return [f"partition_by was {was} and is {now}, and pages stay in their partitions; give it back"]


def _check_key(old: PageLayout, new: PageLayout) -> list[str]:
    if old.key == new.key:
        return []
    return ["a page keeps its key; give the class the key it had, or declare the new one under another name"]


def _plan(old: PageLayout, new: PageLayout, origins: Origins, problems: list[str]) -> Plan:
    sources = {field.name: _source(old, new, field, origins, problems) for field in new.fields}
    went_on = set(sources.values())
    gone = [field.name for field in old.fields if field.name not in went_on]
    problems += [_undeclared(name) for name in gone if name not in origins.dropped]
    steps = [Step("drop", name) for name in gone]
    steps += [Step("rename", old_name, name) for name, old_name in sources.items() if old_name not in (None, name)]
    for field in new.fields:
        source = sources[field.name]
        was = None if source is None else old.fields[old.index_of[source]]
        if was is not None and was.type.spelling != field.type.spelling:
            problems += _check_wider(was, field)
            steps.append(Step("widen", field.name, field.type.spelling))
    steps += [Step("add", name) for name, old_name in sources.items() if old_name is None]
    return Plan(old, new, tuple(steps), tuple(problems))


def _source(old: PageLayout, new: PageLayout, field: Field, origins: Origins, problems: list[str]) -> str | None:
    """The old field with which a field goes on; None if it is new."""
    if field.name in old.index_of:
        return field.name
    found = [name for name in origins.was.get(field.name, ()) if name in old.index_of]
    taken = [name for name in found if name in new.index_of]
    if len(found) > 1:
        problems.append(f"{field.name} was {' and '.join(found)}, and pages have both; leave one of them in was=")
    elif taken:
        problems.append(
            f"{field.name} was {taken[0]}, and the class has a field {taken[0]} as well, so it cannot be told which of "
            f"them goes on with it; leave the was= out, or give the other one a new name"
        )
    return found[0] if found else None


def _undeclared(name: str) -> str:
    return (
        f"{name} is no field of the class any more; write was={name!r} at the field that it has become, or "
        f"dropped=({name!r},) in @app.page if it is to go"
    )


def _check_wider(was: Field, field: Field) -> list[str]:
    changed = f"{field.name} was {was.type.spelling} and is {field.type.spelling}"
    if not widens(was.type, field.type):
        return [
            f"{changed}, which does not hold all that it held; give it back its type, or call the new field otherwise "
            f"and write dropped=({was.name!r},) in @app.page"
        ]
    longer = isinstance(was.type, Array) and isinstance(field.type, Array) and was.type.count < field.type.count
    if longer and field.broken_bound((0,)):
        return [f"{changed}, and its new places are 0, which its bounds refuse; let them allow 0"]
    return []

"""Random migrations: the model, the plain way and arrays come to the same bytes, page by page."""

from typing import Any

from hypothesis import given

from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.migrations import Migration
from mmsb.schemas.types import Enumeration
from mmsb.state.migrations import migrate
from tests.model.bundle import Field, Page
from tests.model.descriptors import migrate_page
from tests.model.layout import PageLayout as ModelLayout
from tests.proof.agreement import agree
from tests.state.test_converting import filled


def described(layout: PageLayout) -> ModelLayout:
    fields = [
        Field(
            field.name,
            field.type.spelling,
            default=field.default,
            members=field.type.members if isinstance(field.type, Enumeration) else (),
        )
        for field in layout.fields
    ]
    return ModelLayout(Page(layout.name, tuple(kind.spelling for kind in layout.key), tuple(fields)))


@given(filled())
def test_random_migrations_agree_with_the_model(case: Any) -> None:
    states, old, new, steps = case
    if old.type_id == new.type_id:
        return
    models = described(old), described(new)
    agree("type ids", [old.type_id, new.type_id], [layout.type_id for layout in models], "")
    convert = migrate_page(*models, [step.to_json() for step in steps])
    expected = {(new.type_id, key): (epoch, convert(body)) for (_, key), epoch, body in states[0].pages}
    for state in states:
        migrate(state, [Migration("P", old.type_id, new.type_id, steps)], {"P": new})
        agree("migrated", {page: (epoch, body) for page, epoch, body in state.pages}, expected, repr(steps))

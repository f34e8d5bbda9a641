"""What a hostile reviewer found in what users may write and call: one test for each finding."""

import dataclasses
from typing import Any, ClassVar, Final

import pytest

import mmsb
from mmsb import i64, u64

app = mmsb.App("review", generation=1)
LOG_ID = bytes(range(16))


@app.page(key=u64)
class Box(mmsb.Page):
    n: i64
    note: str = mmsb.text(8)


@app.intent
class Put(mmsb.Intent):
    self: u64  # pyright: ignore[reportGeneralTypeIssues]
    n: i64 = 1

    def query(me):  # noqa: N805  # pyright: ignore[reportSelfClsParameterName]
        return Box[me.self]

    def delta(me, box: Box) -> None:  # noqa: N805  # pyright: ignore[reportSelfClsParameterName]
        box.n = me.n


ANY_BOX: Any = Box  # what a type checker refuses is tried all the same
ANY: Any = mmsb


def outcome_of(value: bytes | None) -> tuple[str, mmsb.Machine]:
    genesis = mmsb.Genesis(log_id=LOG_ID, app="review").pack()
    writer = mmsb.Writer(app.bundle(), mmsb.Fold(genesis), nonce=b"a-reign's-name-1")
    claim = writer.claim()
    writer.read(1, claim.key, claim.value)
    machine = writer.machine
    _, outcome = writer.step(mmsb.Records.of(0, [mmsb.Record(None, value)]))
    return machine.explain(outcome.outcomes[0]), machine


def test_looping_over_a_page_class_is_refused_at_once_instead_of_trying_every_key():
    with pytest.raises(TypeError, match="not iterable"):
        list(ANY_BOX)
    with pytest.raises(TypeError):
        assert 1 in ANY_BOX


def test_a_field_called_self_can_be_given_by_name():
    assert ANY.pack(Put(**{"self": 3})) == ANY.pack(Put(3))


def test_a_page_field_that_would_break_reading_is_refused():
    with pytest.raises(mmsb.InvalidDefinition, match="'from_body' is taken in pages"):

        @mmsb.App("x").page(key=u64)
        class Taken(mmsb.Page):
            from_body: i64 = 3  # type: ignore[assignment] # pyright: ignore


def test_a_page_without_a_key_is_told_to_have_one():
    wrong: Any = mmsb.App("x").page
    with pytest.raises(mmsb.InvalidDefinition, match=r"@app.page\(Box\): a page class has a key"):
        wrong(Box)
    with pytest.raises(mmsb.InvalidDefinition, match=r"@app.page\(\): a page class has a key"):
        wrong()


def test_a_dataclass_is_refused_because_its_constructor_cannot_work():
    with pytest.raises(mmsb.InvalidDefinition, match="@dataclass would replace its constructor"):

        @mmsb.App("x").page(key=u64)
        @dataclasses.dataclass
        class Made(mmsb.Page):  # pyright: ignore
            n: i64


def test_class_variables_and_finals_are_told_what_to_write_instead():
    with pytest.raises(mmsb.InvalidDefinition, match="a constant of the module instead"):

        @mmsb.App("x").page(key=u64)
        class One(mmsb.Page):
            KIND: ClassVar[int] = 1
            n: i64

    with pytest.raises(mmsb.InvalidDefinition, match="write the type alone"):

        @mmsb.App("x").page(key=u64)
        class Two(mmsb.Page):
            n: Final[i64] = 1


def test_membership_in_a_tuple_is_refused_for_its_operator_not_for_the_tuple():
    with pytest.raises(mmsb.InvalidDefinition, match="has no `in` or `is`"):

        @app.intent
        class Choose(mmsb.Intent):
            k: u64

            def query(self):
                return Box[self.k]

            def delta(self, box: Box) -> None:
                if box.n in (1, 2):
                    box.n = 3


def test_a_constant_defined_too_late_is_told_to_stand_above_the_class():
    with pytest.raises(mmsb.InvalidDefinition, match="there is no 'LATER_ON'; define or import it above the class"):

        @app.intent
        class Late(mmsb.Intent):
            k: u64

            def query(self):
                return Box[self.k]

            def delta(self, box: Box) -> None:
                box.n = LATER_ON  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


@pytest.mark.parametrize("given", [{"id": 5}, {"id": 5.0}, {"source": "s", "number": "1"}, {"source": 7, "number": 1}])
def test_metadata_of_a_wrong_type_is_named(given: Any):
    with pytest.raises(mmsb.InvalidValue, match="expected"):
        mmsb.pack(Put(1), **given)


def test_only_intents_are_packed():
    for request in (Box(n=1, note=""), None, Put):
        with pytest.raises(mmsb.InvalidValue, match="expected an intent"):
            ANY.pack(request)
        with pytest.raises(mmsb.InvalidValue, match="expected an intent"):
            ANY.pack_json(request)


@pytest.mark.parametrize("where", [("n", "==", 1), [("n",)], [("n", [], 1)], [([], "==", 1)], [5]])
def test_a_condition_that_is_none_is_told_how_one_is_written(where: Any):
    with pytest.raises(mmsb.InvalidValue, match=r"a condition is \(field, comparison, value\)"):
        mmsb.Upsert(Box[1], where=where)


def test_assignments_that_are_no_dict_are_refused():
    wrong: Any = [("n", 1)]
    with pytest.raises(mmsb.InvalidValue, match="are dicts"):
        mmsb.Upsert(Box[1], set=wrong)


def test_a_page_class_is_not_a_reference_to_a_page():
    with pytest.raises(mmsb.InvalidValue, match=r"for instance Account\[1\], found"):
        mmsb.Query(ANY_BOX)
    with pytest.raises(mmsb.InvalidValue, match=r"for instance Account\[1\], found"):
        mmsb.Upsert(ANY_BOX, set={"n": 1})
    machine: Any = outcome_of(None)[1]
    with pytest.raises(mmsb.InvalidValue, match=r"expected a query, for instance mmsb.Query\(Account\[1\]\)"):
        machine.read(Box[1])


def test_the_epoch_of_what_is_no_page_is_refused():
    wrong: Any = Put(1)
    with pytest.raises(mmsb.InvalidValue, match="expected a page that was read"):
        mmsb.epoch_of(wrong)


def test_a_plan_names_metadata_that_it_does_not_know():
    with pytest.raises(mmsb.InvalidValue, match="'id' is no metadata; it is actor"):
        Put(1).plan(id="x")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "the record is no intent: it is empty"),
        (b"", "the record is no intent: it is empty"),
        (b'{"@type": "mmsb.Upsert"}', "mmsb.Upsert's 'page' is missing"),
        (b'{"@type": "mmsb.Upsert", "page": "Box"}', "mmsb.Upsert's 'key' is missing"),
        (b'{"@type": "mmsb.Upsert", "zz": 1}', "mmsb.Upsert has no field 'zz'"),
        (b'{"@type": "mmsb.Mutate"}', "mmsb.Mutate's 'delta' is missing"),
        (b'{"@type": "mmsb.Mutate", "delta": ""}', "the delta is invalid: truncated at byte 0"),
    ],
)
def test_rejections_of_the_doors_without_code_name_what_people_wrote(value: bytes | None, words: str):
    assert outcome_of(value)[0] == words


def test_what_public_methods_take_and_give_is_public():
    assert mmsb.Migration("Box", 1, 2, (mmsb.Step("add", "n"),)).page == "Box"
    assert mmsb.Durability.FSYNC > mmsb.Durability.PROCESS
    assert mmsb.Discarded.OTHER_REIGN.value == "of another reign"

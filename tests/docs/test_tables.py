"""Tables in the documents say what the code says."""

import importlib.util
import re
import tomllib

import mmsb
from examples.bank import Deposit
from mmsb.processors.requests import pack
from mmsb.schemas import limits
from mmsb.schemas.events import EventKind
from mmsb.schemas.partitions import partition_of
from mmsb.schemas.tlog.records import TlogKind
from tests.docs.tables import code, table, text_of
from tests.project.tree import CODE_FOLDERS, ROOT

ARCHITECTURE = text_of("docs/architecture.md")
FORMATS = text_of("docs/formats.md")

# Limits of the language; docs/language.md names them by their numbers.
OF_THE_LANGUAGE = {"LOOP_STEPS_MAX": "65 536", "IR_NODES_MAX": "20 000", "IR_DEPTH_MAX": "128"}
DEFAULTS = {"HOPS_DEFAULT": "HOPS_MAX", "WINDOW_DEFAULT": "WINDOW_MAX"}


def number(text: str) -> int:
    return int(text.replace(" ", ""))


def test_the_layers_are_those_of_the_import_contract():
    rows = table(ARCHITECTURE, "layer", "folder", "may know", "never")
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["id"] == "layers"]
    required = [layer for layer in layers if not layer.startswith("(")]

    facade, *below = rows
    assert facade[:2] == ["facade", "`src/mmsb/`"]
    assert [code(row[0]) for row in below] == required
    assert [code(row[1]) for row in below] == [f"{layer}/" for layer in required]
    assert set(required) == set(CODE_FOLDERS)


def test_every_module_of_the_picture_exists():
    pictures = [block for block in re.findall(r"```\n(.*?)```", ARCHITECTURE, re.DOTALL) if "┌" in block]
    named = set(re.findall(r"(?:\w+/)*\w+(?:\.py|/)", "".join(pictures)))

    assert len(named) > 25
    for name in named:
        assert any((ROOT / folder / name).exists() for folder in (".", *CODE_FOLDERS)), name


def test_every_method_that_an_invariant_names_exists():
    rows = table(ARCHITECTURE, "invariant", "asserted in")
    source = "\n".join(path.read_text("utf-8") for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.py"))

    for name in re.findall(r"`[A-Z]\w+\.(\w+)(?:\(\))?`", "".join(row[1] for row in rows)):
        assert re.search(rf"def {name}\b", source), name


def test_the_intent_that_is_shown_byte_by_byte_is_packed_so():
    shown = bytes.fromhex("".join(code(row[0]) for row in table(FORMATS, "bytes", "are")))

    assert shown == pack(Deposit(4711, 6240), id="december/16", actor="payroll", reason="december")
    assert f"`{shown[8:16].hex()}` for `intent Deposit" in FORMATS


def test_the_partitions_that_are_shown_are_those_of_the_code():
    for key, of_3, of_8 in table(FORMATS, "b", "of 3", "of 8"):
        assert [int(of_3), int(of_8)] == [partition_of([code(key).encode()], count) for count in (3, 8)]


def test_the_limits_are_those_of_the_code():
    rows = {code(row[0]): row for row in table(FORMATS, "name", "value", "what is above it")}
    declared = {name: value for name, value in vars(limits).items() if name.isupper()}

    assert set(rows) == set(declared) - set(OF_THE_LANGUAGE) - set(DEFAULTS)
    for name, row in rows.items():
        assert number(row[1].partition(" (")[0]) == declared[name], name
    for default, limit in DEFAULTS.items():
        [said] = re.findall(r"default ([\d ]*\d)", " ".join(rows[limit]))
        assert number(said) == declared[default]
    for name, said in OF_THE_LANGUAGE.items():
        assert number(said) == declared[name]
        assert f" {said} " in text_of("docs/language.md")


def test_the_rejections_are_those_of_the_code():
    rows = table(FORMATS, "code", "name", "uses")

    assert {int(row[0]): code(row[1]) for row in rows} == {c.value: c.name.lower() for c in mmsb.Code if c}
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)


def test_every_rejection_that_the_documents_name_exists():
    known = {c.name.lower() for c in mmsb.Code}
    for text in (text_of("docs/language.md"), FORMATS):
        assert set(re.findall(r"reject(?:s|ed)? `(\w+)`", text)) <= known


def test_the_statuses_of_deltas_are_those_of_the_code():
    rows = table(FORMATS, "status", "name", "meaning", "position")

    assert {int(row[0]): row[1].strip("`") for row in rows} == {s.value: s.name.lower() for s in mmsb.DeltaStatus}


def test_the_kinds_of_deltas_events_and_records_are_those_of_the_code():
    deltas = [row[0].split()[:2] for row in table(FORMATS, "kind", "payload", "size")]
    records = re.findall(r"^### (.*)$", FORMATS.partition("## 10.")[2], re.MULTILINE)
    named = {int(n): name.lower() for title in records for name, n in re.findall(r"(\w+) \(kind (\d)\)", title)}
    [events] = re.findall(r"kind, u16: (1 created.*?) \|", FORMATS)

    assert {int(value): name for value, name in deltas} == {k.value: k.name.lower() for k in mmsb.DeltaKind}
    assert named == {k.value: k.name.lower() for k in TlogKind}
    assert events == ", ".join(f"{k.value} {k.name.lower()}" for k in EventKind)


def test_the_outcomes_are_those_of_the_code():
    [said] = re.findall(r"bits 0–2 status: (.*?);", FORMATS)

    assert said == ", ".join(f"{s.value} {s.name.lower()}" for s in mmsb.Status)


def test_every_name_of_the_public_surface_that_is_shown_exists():
    for name in ("README.md", "docs/language.md", "docs/errors.md"):
        text = text_of(name)
        for shown in re.findall(r"\bmmsb\.([A-Za-z]\w*)", text):
            known = shown in mmsb.__all__ or importlib.util.find_spec(f"mmsb.{shown}")
            assert known, f"mmsb.{shown} in {name}"


def test_every_benchmark_is_listed():
    rows = table(text_of("bench/README.md"), "name", "measures")

    assert {code(row[0]) for row in rows} == {
        path.stem.removeprefix("bench_") for path in ROOT.glob("bench/bench_*.py")
    }

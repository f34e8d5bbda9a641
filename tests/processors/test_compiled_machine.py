"""What users see of compiled code: what it asks for, what it leaves to the interpreter, what it says, what it keeps."""

import re
import shutil
import sys
import warnings
from pathlib import Path

import pytest

from examples.bank import app
from mmsb.processors.compiled import Compiled
from mmsb.processors.compiling import modules
from mmsb.processors.compiling.templates import HEAD
from mmsb.processors.machine import Machine
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.partition import PartitionState
from mmsb.streams import building
from tests.model.bundle import Bundle, Field, Intent, Page, Tree
from tests.processors.machine_code import BUILD_AND_STEP, compiled_by_children, process
from tests.proof.agreement import loaded

ONE: Tree = ("lit", 1, "1")
PAGE = Page("P", ("i64",), (Field("n", "i64"),))
ADD: Tree = ("aug", "+", ("get", "p", "n"), ONE)


def counting(name: str, statements: int) -> Bundle:
    """An application of one intent of so many statements."""
    return Bundle(name, (PAGE,), (Intent("Count", (), (("P", (ONE,)),), ("p",), (ADD,) * statements),))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing that is compiled into it: these tests look at files and messages."""
    monkeypatch.setattr(building, "COMPILED", False)
    monkeypatch.setattr(building, "cache_folder", lambda: tmp_path)
    return tmp_path


def no_function(*_: object) -> tuple[int, int]:
    return 0, 0


def test_a_compiled_machine_steps_arrays_and_says_so() -> None:
    bundle = app.bundle()
    code = Compiled(modules.make_module(bundle), no_function, no_function)  # type: ignore[arg-type]
    state = PartitionState(Genesis(bytes(range(16)), bundle.app))
    with pytest.raises(InvalidValue, match="a compiled machine steps an ArrayState; make the fold over one, or step"):
        Machine(bundle, state, compiled=code)


def test_an_intent_that_is_too_long_runs_interpreted_with_one_warning_that_names_its_line(folder: Path) -> None:
    with loaded(counting("long", 900)) as bundle, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        code = building.build(bundle)
    assert [warning.category for warning in told] == [RuntimeWarning]
    said = str(told[0].message)
    assert re.fullmatch(
        r".*generated_app\.py:\d+: Count runs interpreted: it is longer than NODES_MAX = 2000 nodes", said
    ), said
    assert not code.module.queries


def test_a_bundle_that_compiles_warns_of_nothing(folder: Path) -> None:
    with loaded(counting("short", 3)) as bundle, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(building.build(bundle).module.queries) == 1


def test_a_broken_template_shows_the_generated_file_and_its_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "HEAD", HEAD + "\nthis is no Python\n")
    with loaded(counting("broken", 1)) as bundle, pytest.raises(SyntaxError) as failure:
        building.build(bundle)
    (path,) = folder.glob("*.py")
    assert failure.value.filename == str(path)
    assert failure.value.lineno is not None
    assert path.read_text().splitlines()[failure.value.lineno - 1] == "this is no Python"


@pytest.mark.slow
def test_what_the_compiler_says_of_a_broken_template_names_file_and_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "COMPILED", True)
    monkeypatch.setattr(building, "STEPPING", ("bundle",))
    monkeypatch.setattr(modules, "HEAD", HEAD + "\nthis is no Python\n")
    with loaded(counting("broken", 1)) as bundle, pytest.raises(EnvironmentFailed) as failure:
        building.build(bundle, lambda _: None)
    assert re.search(r'SyntaxError: .*\(File ".*mmsb_bundle_\w+\.py", line \d+\)', str(failure.value)), failure.value


def test_files_reappear_in_an_emptied_cache_under_the_name_of_their_content(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loaded(counting("files", 2)) as bundle:
        name = building.build(bundle).module.name
        (path,) = folder.glob("*.py")
        text = path.read_text()
        assert path.stem == name
        path.unlink()
        monkeypatch.delitem(sys.modules, name)  # as in the next process
        building.build(bundle)
        assert path.read_text() == text
    with loaded(counting("files", 3)) as bundle:
        assert building.build(bundle).module.name != name


def test_a_cache_that_cannot_be_written_says_what_to_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "file"
    file.write_text("")
    monkeypatch.setattr(building, "cache_folder", lambda: file / "below")
    with loaded(counting("nowhere", 4)) as bundle, pytest.raises(EnvironmentFailed, match="set MMSB_CACHE to a folder"):
        building.build(bundle)


@pytest.mark.slow
def test_children_compile_all_that_a_worker_needs_and_the_second_process_not_even_they(tmp_path: Path) -> None:
    shutil.copytree(compiled_by_children(), tmp_path / "cache")
    assert process(BUILD_AND_STEP, MMSB_CACHE=str(tmp_path / "cache")).startswith("0 told")


TWO_BUNDLES = """
import sys
from random import Random
from tests.proof.agreement import CUTS, check_cut, loaded, make_case
from tests.proof.ways import CompiledWay

way = CompiledWay()
one, other = make_case(4, 40), make_case(10, 40)
with loaded(one.description) as first, loaded(other.description) as second:
    assert way.code(first).module.name != way.code(second).module.name
    for cut in CUTS:
        check_cut(one, first, cut, way)
        check_cut(other, second, cut, way)
print(way.count)
"""


def test_two_bundles_in_one_process_do_not_meet() -> None:
    assert int(process(TWO_BUNDLES, NUMBA_DISABLE_JIT="1")) > 50

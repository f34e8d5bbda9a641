"""What is installed elsewhere is what stands here, and importing it is quick."""

import sys
import tarfile
import zipfile

import pytest

import mmsb
from tests.project.tree import CODE_FOLDERS, ROOT, copy_code, run


@pytest.mark.slow
def test_a_wheel_built_from_the_sdist_works_outside_the_repository(tmp_path):
    tree = copy_code(tmp_path / "tree")
    nested = tree / "processors" / "planted" / "deeper"
    nested.mkdir(parents=True)
    (nested.parent / "__init__.py").touch()
    (nested / "__init__.py").write_text("ANSWER = 42\n")

    # `build` makes the sdist first and the wheel from what is in the sdist.
    built = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", cwd=tree)
    assert built.returncode == 0, built.stdout
    [sdist] = (tmp_path / "dist").glob("*.tar.gz")
    [wheel] = (tmp_path / "dist").glob("*.whl")

    here = {
        f"mmsb/{file.relative_to(tree).as_posix()}" for folder in CODE_FOLDERS for file in (tree / folder).rglob("*.py")
    }
    source = tree / "src" / "mmsb"
    facade = [file for pattern in ("*.py", "cli/*.py", "faust/*.py") for file in source.glob(pattern)]
    here |= {f"mmsb/{file.relative_to(source)}" for file in facade}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert {name for name in packed if name.endswith(".py")} == here
    assert "mmsb/py.typed" in packed
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/src/")[2]: member for member in archive.getmembers()}
    assert here <= members.keys()
    assert not any(member.issym() for member in members.values())

    site = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index")
    installed = run(*pip, "--no-deps", "--target", site, wheel, cwd=tmp_path)
    assert installed.returncode == 0, installed.stdout
    program = "import mmsb, mmsb.processors.planted.deeper as d; print(mmsb.__file__, mmsb.__version__, d.ANSWER)"
    elsewhere = run(sys.executable, "-c", program, cwd=tmp_path, env={"PYTHONPATH": str(site)})
    assert elsewhere.stdout.split() == [str(site / "mmsb" / "__init__.py"), mmsb.__version__, "42"]


def test_every_code_folder_is_a_relative_link_to_the_folder_above():
    links = {file.name: str(file.readlink()) for file in (ROOT / "src" / "mmsb").iterdir() if file.is_symlink()}

    assert links == {name: f"../../{name}" for name in CODE_FOLDERS}


def test_every_folder_with_code_is_a_package():
    bare = {
        str(file.parent.relative_to(ROOT))
        for folder in CODE_FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    }

    assert bare == set(), "the wheel and the contracts leave out a folder that has no __init__.py"


def test_import_mmsb_is_quick_and_loads_no_numerics(tmp_path):
    program = (
        "import sys, time; before = time.perf_counter(); import mmsb; took = time.perf_counter() - before; "
        "print(took, *sorted({'numpy', 'numba'} & sys.modules.keys()))"
    )
    # The best of three: the other test worker may hold the core for a while.
    runs = [run(sys.executable, "-W", "error", "-c", program, cwd=tmp_path).stdout.split() for _ in range(3)]

    assert [loaded for _, *loaded in runs] == [[], [], []]
    assert min(float(took) for took, *_ in runs) < 0.3

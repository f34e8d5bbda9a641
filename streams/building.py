"""Builds a bundle's compiled code: writes its module, compiles it in child processes, and loads what they left.

Compiling takes seconds and much memory, so the worker never does it: children compile into the cache folder, which is
named by everything that the code depends on, and the worker finds all of it ready. What cannot be compiled stays with
the interpreter, and one warning says so.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from blake3 import blake3

from mmsb.kernels.jit import COMPILED, cache_folder
from mmsb.processors.bundle import Bundle
from mmsb.processors.compiled import Compiled
from mmsb.processors.compiling.modules import Module, make_module
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams import terminal
from mmsb.streams.generated import load_module

STEPPING: Final = ("bundle", "stepping", "json")
"""What stepping needs, compiled side by side: the bundle's own loops, and the kernels that all bundles share."""

FOLDING: Final = ("folding", "home")
"""What reading a TLog and keeping pages needs, whoever wrote it."""

PROGRESS_SECONDS: Final = 0.25  # how often a terminal hears that compiling goes on

Tell = Callable[[str], None]


def build(bundle: Bundle, tell: Tell | None = None) -> Compiled:
    """A bundle's compiled code, from the cache or made now. `tell` hears of progress; by default a terminal does."""
    module = make_module(bundle)
    if COMPILED:
        module = _compile(bundle, module, tell or terminal.tell)
    for name, reason in module.left_out.items():
        warnings.warn(f"{_where(bundle, name)} runs interpreted: {reason}", RuntimeWarning, stacklevel=2)
    loaded = _load(module)
    return Compiled(module, loaded.find_pages, loaded.lower)


def build_folding(tell: Tell | None = None) -> None:
    """Have the kernels that fold blocks in the cache: a log worth folding should not wait for the first of them."""
    failure = _make_ready("what folds blocks", FOLDING, None, tell or terminal.tell) if COMPILED else None
    if failure is not None:
        raise EnvironmentFailed(f"kernels cannot be compiled here: {failure}")


def _where(bundle: Bundle, name: str) -> str:
    place = bundle.program_named(name).place
    line = f"{place.file}:{place.line}: " if place is not None and place.line is not None else ""
    return f"{line}{name}"


def _compile(bundle: Bundle, module: Module, tell: Tell) -> Module:
    """Have everything in the cache; gives the module without what the compiler refused."""
    failure = _make_ready(bundle.app, STEPPING, module, tell)
    if failure is None:
        return module
    names = [program.layout.name for program in bundle.programs if program.layout.name not in module.left_out]
    failing = [name for name in names if _fails(bundle, name, [other for other in names if other != name], tell)]
    if not failing:
        raise EnvironmentFailed(f"{bundle.app}: its code cannot be compiled here: {failure}")
    rest = make_module(bundle, failing)
    failure = _make_ready(bundle.app, STEPPING, rest, tell)
    if failure is not None:
        raise EnvironmentFailed(f"{bundle.app}: its code cannot be compiled here: {failure}")
    return rest


def _fails(bundle: Bundle, name: str, others: Sequence[str], tell: Tell) -> bool:
    return _make_ready(f"{bundle.app}: {name} alone", STEPPING, make_module(bundle, others), tell) is not None


def _make_ready(title: str, parts: Sequence[str], module: Module | None, tell: Tell) -> str | None:
    """Compile what the cache lacks, all parts side by side; gives what the compiler said if it failed."""
    arguments = [str(_write(module))] if module else []
    missing = [part for part in parts if not _marker(module, part).exists()]
    if not missing:
        return None
    children = [_start(part, *arguments) for part in missing]
    _wait(title, children, tell)
    failed = [child for child in children if child.returncode]
    for part, child in zip(missing, children, strict=True):
        if not child.returncode:
            _marker(module, part).touch()
    words = _last_words(failed[0]) if failed else None
    for child in children:
        assert child.stderr is not None
        child.stderr.close()
    return words


def module_path(module: Module) -> Path:
    return cache_folder() / f"{module.name}.py"


def _marker(module: Module | None, part: str) -> Path:
    """Says that a part is in the cache; kernels are there for every bundle."""
    name = module.name if module and part == "bundle" else part
    return cache_folder() / f"{name}-{_callers()}.compiled"


@cache
def _callers() -> str:
    """A hash of all that calls kernels, and so decides for which types of arguments they are compiled."""
    digest, here = blake3(), Path(__file__).resolve().parents[1]
    for pattern in ("processors/**/*.py", "state/**/*.py", "streams/warming.py"):
        for path in sorted(here.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _write(module: Module) -> Path:
    """The module's file, whole or not at all: several processes may start at once."""
    path = module_path(module)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != module.text:
            with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False) as file:
                file.write(module.text)
            Path(file.name).replace(path)
    except OSError as error:
        raise EnvironmentFailed(
            f"{path.parent}: compiled code is kept there and cannot be ({error}); set MMSB_CACHE to a folder of yours"
        ) from None
    return path


def _start(part: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mmsb.streams.warming", part, *arguments]
    source = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the child has ended
    child = subprocess.Popen(command, env={**os.environ, **source}, stdout=output, stderr=output, text=True)
    child.stderr = output
    return child


def _wait(title: str, children: Sequence[subprocess.Popen[str]], tell: Tell) -> None:
    started = time.monotonic()
    while any(child.poll() is None for child in children):
        tell(f"mmsb: compiling {title}, once for this machine: {time.monotonic() - started:.0f} s")
        time.sleep(PROGRESS_SECONDS)
    tell(f"mmsb: compiled {title} in {time.monotonic() - started:.1f} s; kept in {cache_folder()}\n")


def _last_words(child: subprocess.Popen[str]) -> str:
    assert child.stderr is not None
    child.stderr.seek(0)
    lines = [line.strip() for line in child.stderr.read().splitlines() if line.strip()]
    if not lines:
        return f"the compiler ended with status {child.returncode} and said nothing"
    places = [line for line in lines if line.startswith('File "')]
    return f"{lines[-1]} ({places[-1]})" if places else lines[-1]


def _load(module: Module) -> ModuleType:
    """Import the module's file; bundles with the same text share it."""
    return sys.modules.get(module.name) or load_module(_write(module))

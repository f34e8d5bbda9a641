"""How kernels are compiled: once for each machine, and kept for every process after that.

Numba's own cache asks only whether the file of a function has changed. Here the folder's name says everything that
compiled code depends on (all sources of kernels and schemas, versions, and flags such as NUMBA_BOUNDSCHECK), so nothing
in it is ever stale, and code that was compiled without checks never runs where checks were asked for.
"""

import importlib
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from blake3 import blake3

from mmsb import schemas

F = TypeVar("F", bound=Callable[..., Any])

# Without types: those that Numba has do not know all that it takes, and its configuration's names are made as it runs.
llvmlite: Any = importlib.import_module("llvmlite")
numba: Any = importlib.import_module("numba")
caching: Any = importlib.import_module("numba.core.caching")
codegen: Any = importlib.import_module("numba.core.codegen")
registry: Any = importlib.import_module("numba.core.registry")
config: Any = numba.config

COMPILED: Final[bool] = not config.DISABLE_JIT
"""False under NUMBA_DISABLE_JIT=1: kernels are then plain Python over NumPy scalars."""

CHECKED: Final[bool] = not COMPILED or bool(config.BOUNDSCHECK)
"""Whether an access outside of an array raises IndexError."""

if not COMPILED:
    np.seterr(over="ignore")  # u64 arithmetic wraps, here as in compiled code


def kernel(function: F) -> F:
    """Compile on first call, without the GIL; found again by the next process."""
    return _compiled_for_all(function, codegen.JITCodeLibrary)


def branching(function: F) -> F:
    """A kernel of branches rather than long loops: vectorising these takes long and brings it nothing."""
    return _compiled_for_all(function, _Scalar)


def _compiled_for_all(function: F, library: Any) -> F:
    dispatcher = _compiled(function, no_cfunc_wrapper=True)
    if COMPILED:
        dispatcher._cache = _Cache(function, library)
        _compile_into(dispatcher, library)
    return dispatcher  # type: ignore[no-any-return]


def inner(function: F) -> F:
    """What only kernels call, and stays a call: for what is long, or rarely needed. Python cannot call it."""
    return _compiled_for_kernels(function, _Called)


def inlined(function: F) -> F:
    """What becomes part of the kernels that call it, at no call's cost; Python cannot call it."""
    return _compiled_for_kernels(function, _Part, forceinline=True)


def _compiled_for_kernels(function: F, library: Any, **options: bool) -> F:
    dispatcher = _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
    if COMPILED:
        dispatcher.__class__ = _ForKernels
        _compile_into(dispatcher, library)
    return dispatcher  # type: ignore[no-any-return]


def _compiled(function: Any, *, forceinline: bool = False, **options: bool) -> Any:
    # forceinline: always said, because a function would take it from the one that calls it first.
    # error_model: a zero divisor is looked at by whoever divides; Numba's own check would raise.
    # _nrt: kernels make no arrays, so nobody need count references to them, at an atomic instruction each.
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=False, forceinline=forceinline, **options)(function)
    if COMPILED:
        _compile_once(dispatcher)
    return dispatcher


class _ForKernels(registry.CPUDispatcher):  # type: ignore[misc]
    """There is no wrapper that Python could call; trying to would crash."""

    def __call__(self, *args: Any, **kws: Any) -> Any:
        raise TypeError(f"{self.py_func.__name__} is only for other kernels; call it from one")


class _Scalar(codegen.JITCodeLibrary):  # type: ignore[misc]
    """A kernel's code without vectors."""

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(loop_vectorize=False, slp_vectorize=False)
        passes.run(self._final_module, builder)


class _Part(codegen.JITCodeLibrary):  # type: ignore[misc]
    """Code that only ever becomes part of a kernel's, with which it is optimised.

    Numba would optimise it alone, again inside everything that calls it, and make machine code that nobody runs: the
    deeper kernels call, the longer that takes, up to minutes.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    @property
    def codegen(self) -> "_NowhereToSet":
        """Whom Numba asks to set the environment of what it takes for machine code."""
        return _NowhereToSet()


class _Called(_Part):
    """A part that is not written into its callers, however short."""

    def add_ir_module(self, ir_module: Any) -> None:
        for function in ir_module.functions:
            if not function.is_declaration and "alwaysinline" not in function.attributes:
                function.attributes.add("noinline")
        parent: Any = super()
        parent.add_ir_module(ir_module)


class _NowhereToSet:
    def set_env(self, name: str, environment: Any) -> None:
        """There is no machine code, so there is no place for its environment."""


def _compile_into(dispatcher: Any, library: Any) -> None:
    """Say what becomes of a function's code. Compiling one compiles those that it calls on the way."""
    compile_it = dispatcher._compiler.compile

    def compile_there(args: Any, return_type: Any) -> Any:
        with _code_goes_into(library):
            return compile_it(args, return_type)

    dispatcher._compiler.compile = compile_there


@contextmanager
def _code_goes_into(library: Any) -> Generator[None]:
    target = registry.cpu_target.target_context.codegen()
    before = target._library_class
    target._library_class = library
    try:
        yield
    finally:
        target._library_class = before


def _compile_once(dispatcher: Any) -> None:
    """Take a literal argument for any number: Numba would compile the function anew for each."""
    template = dispatcher.get_call_template
    unliteral: Callable[[Any], Any] = numba.types.unliteral

    def without_literals(args: Any, kws: Any) -> Any:
        return template(tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = without_literals


@cache
def cache_folder() -> Path:
    """Where compiled code of exactly these kernels is kept: below MMSB_CACHE, or the user's cache folder."""
    return _cache_root() / f"kernels-{_fingerprint()}"


def _cache_root() -> Path:
    """A user of a container may have no home, so that is asked for last."""
    said, users = os.environ.get("MMSB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if said:
        return Path(said)
    return (Path(users) if users else Path.home() / ".cache") / "mmsb"


def _fingerprint() -> str:
    """A hash of all that decides what comes out of the compiler, besides the functions of generated modules.

    Constants of schemas are written into code.
    """
    flags = {name: str(getattr(config, name)) for name in ("BOUNDSCHECK", "OPT", "DEBUG", "CPU_NAME", "CPU_FEATURES")}
    versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version_info[:2])
    digest = blake3(repr((versions, flags)).encode())
    for folder in (Path(__file__).parent, Path(schemas.__path__[0])):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Puts the code of one function into the folder above; what is in it is never stale."""

    def __init__(self, function: Any) -> None:
        self._line = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return cache_folder().name

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        return cls(py_func)


class _Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _Files(caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of one function's code, an index and one for each signature.

    Numba numbers the latter. Two processes that compile two signatures at once then write both under one number, and
    whoever loads that calls code for other arguments. Names that say the signature cannot meet so.
    """

    def save(self, key: Any, data: Any) -> None:
        overloads = self._load_index()
        overloads[key] = self._data_name(int.from_bytes(blake3(repr(key).encode()).digest()[:7], "little"))
        self._save_data(overloads[key], data)
        self._save_index(overloads)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation

    def __init__(self, function: Any, library: Any) -> None:
        parent: Any = super()
        parent.__init__(function)
        self._cache_file.__class__ = _Files
        self._library = library

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As Numba's own, which first loads all that compiling needs: 40 MB that code found ready does without.

        Code may be loaded while something that calls it is compiled, and is a kernel's even if that is only a part.
        """
        with _code_goes_into(self._library):
            return self._load_overload(sig, target_context)

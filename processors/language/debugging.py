"""Breakpoints in user code that Python never executes: each statement runs inside a frame that stands where it does.

A debugger stops by file and line. So, in a bundle made for debugging, whatever a statement became is called from a tiny
function whose code claims the statement's file and line, and whose locals are the names that the user gave.
"""

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from mmsb.processors.language.frames import Binding, Origin, PageName, SelfName, SlotName
from mmsb.processors.language.kinds import Node
from mmsb.processors.language.runs import Run
from mmsb.schemas.layouts import Layout

STOPS: ContextVar[Mapping[int, Origin]] = ContextVar("STOPS", default={})  # noqa: B039 - never changed
"""Where code that is being loaded now can be stopped, by its nodes' identity: nowhere, unless it is for debugging."""

_CALL: Final = "_run_statement"


def stops_of(origins: Iterable[Origin]) -> dict[int, Origin]:
    return {id(origin.node): origin for origin in origins}


def stoppable(node: Node, action: Callable[[Run], Any]) -> Callable[[Run], Any]:
    """The same action, inside a frame at its place in the user's file."""
    stop = STOPS.get().get(id(node))
    if stop is None or stop.file is None:
        return action
    enter = _frame_at(stop)

    def run_there(run: Run) -> Any:
        return enter(lambda: action(run), **{name: _shown(binding, run) for name, binding in stop.names.items()})

    return run_there


def _frame_at(stop: Origin) -> Callable[..., Any]:
    """A function whose only line is the statement's."""
    names = ", ".join([_CALL, *stop.names])
    text = "\n" * (stop.line - 2) + f"def {stop.function}({names}):\n return {_CALL}()\n"
    found: dict[str, Any] = {}
    exec(compile(text, str(stop.file), "exec"), found)
    function: Callable[..., Any] = found[stop.function]
    return function


def _shown(binding: Binding, run: Run) -> Any:
    """What a name stands for at this moment."""
    if isinstance(binding, SelfName):
        return _Fields(run.layout, run.arguments)
    if isinstance(binding, PageName):
        return _Fields(run.pages[binding.index].layout, run.pages[binding.index].values)
    assert isinstance(binding, SlotName)
    return run.slots.get(binding.slot, NOT_YET)


class _NotYet:
    def __repr__(self) -> str:
        return "<not assigned yet>"


NOT_YET: Final = _NotYet()


class _Fields:
    """A page or an intent as a debugger shows it; it cannot be written."""

    def __init__(self, layout: Layout, values: Any) -> None:
        self.__dict__["_layout"] = layout
        self.__dict__["_values"] = values

    def __getattr__(self, name: str) -> Any:
        if name not in self._layout.index_of:
            raise AttributeError(f"{self._layout.name} has no field {name!r}")
        return self._values[self._layout.index_of[name]]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self._layout.name}.{name}: a debugger looks, only statements write")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._layout.index_of, self._values, strict=True))
        return f"{self._layout.name}({fields})"

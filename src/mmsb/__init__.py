"""MMSB, the Memory-Mapped State Bus: an event-sourced, async stream processor.

First what users declare with, then the core that runs it without IO, then errors. What is not here is not public.

Nothing is loaded before it is asked for: a service that only publishes intents never loads NumPy or Numba, and a
command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsb.app import App, connect
    from mmsb.processors.bundle import Bundle
    from mmsb.processors.compiled import Compiled
    from mmsb.processors.doors import Mutate, Query, Upsert
    from mmsb.processors.intake import read_batches
    from mmsb.processors.machine import Machine, Outcome
    from mmsb.processors.plans import Plan
    from mmsb.processors.projection import events_of
    from mmsb.processors.receipts import Receipts
    from mmsb.processors.requests import pack, pack_json
    from mmsb.processors.writer import Entry, Writer
    from mmsb.schemas.batches import decode_batch, decode_batches, encode_batch
    from mmsb.schemas.classes import Intent, Page, Ref, epoch_of
    from mmsb.schemas.delta_validation import DeltaVerdict, validate_delta
    from mmsb.schemas.deltas import Delta, DeltaKind, DeltaStatus, unpack_delta
    from mmsb.schemas.errors import (
        CallerError,
        Conflict,
        CorruptState,
        EnvironmentFailed,
        FolderInUse,
        GenerationConflict,
        InvalidDefinition,
        InvalidDelta,
        InvalidValue,
        MalformedBytes,
        MmsbError,
        NewerFormat,
        OutcomeUnknown,
        Overloaded,
        PageNotFound,
        ReadOnly,
        Superseded,
    )
    from mmsb.schemas.events import Event, EventKind
    from mmsb.schemas.markers import array, blob, f64, field, i8, i16, i32, i64, text, time, u8, u16, u32, u64
    from mmsb.schemas.metadata import Metadata
    from mmsb.schemas.records import Record, Records
    from mmsb.schemas.rejections import Code, Rejection
    from mmsb.schemas.statuses import Status
    from mmsb.schemas.tlog.claims import Durability
    from mmsb.schemas.tlog.genesis import Genesis
    from mmsb.schemas.tlog.migrations import Migration, Step
    from mmsb.schemas.verbs import delete, emit, exists, now, reject, sqrt
    from mmsb.state.array_fold import ArrayFold
    from mmsb.state.arrays import ArrayState
    from mmsb.state.fold import Discarded, Fold, Verdict
    from mmsb.state.partition import PartitionState
    from mmsb.streams.asking.logbook import Logbook, LogEntry, TouchedPage, Why
    from mmsb.streams.building import build, build_folding
    from mmsb.streams.bus import FROM_THE_START, Bus
    from mmsb.streams.door import Position
    from mmsb.streams.edges.declaring import Ask, Columns, Message, Messages, Processor, Topic
    from mmsb.streams.edges.delivering import Counts
    from mmsb.streams.kafka.cluster.security import Security
    from mmsb.streams.page_values import PageChange, PageEvent
    from mmsb.streams.stats import PartitionStats, Stats
    from mmsb.streams.tickets import Receipt
    from mmsb.streams.watching.counting import Counter

__version__ = "0.1.0"

__all__ = [
    "FROM_THE_START",
    "App",
    "ArrayFold",
    "ArrayState",
    "Ask",
    "Bundle",
    "Bus",
    "CallerError",
    "Code",
    "Columns",
    "Compiled",
    "Conflict",
    "CorruptState",
    "Counter",
    "Counts",
    "Delta",
    "DeltaKind",
    "DeltaStatus",
    "DeltaVerdict",
    "Discarded",
    "Durability",
    "Entry",
    "EnvironmentFailed",
    "Event",
    "EventKind",
    "Fold",
    "FolderInUse",
    "GenerationConflict",
    "Genesis",
    "Intent",
    "InvalidDefinition",
    "InvalidDelta",
    "InvalidValue",
    "LogEntry",
    "Logbook",
    "Machine",
    "MalformedBytes",
    "Message",
    "Messages",
    "Metadata",
    "Migration",
    "MmsbError",
    "Mutate",
    "NewerFormat",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "Page",
    "PageChange",
    "PageEvent",
    "PageNotFound",
    "PartitionState",
    "PartitionStats",
    "Plan",
    "Position",
    "Processor",
    "Query",
    "ReadOnly",
    "Receipt",
    "Receipts",
    "Record",
    "Records",
    "Ref",
    "Rejection",
    "Security",
    "Stats",
    "Status",
    "Step",
    "Superseded",
    "Topic",
    "TouchedPage",
    "Upsert",
    "Verdict",
    "Why",
    "Writer",
    "array",
    "blob",
    "build",
    "build_folding",
    "connect",
    "decode_batch",
    "decode_batches",
    "delete",
    "emit",
    "encode_batch",
    "epoch_of",
    "events_of",
    "exists",
    "f64",
    "field",
    "i8",
    "i16",
    "i32",
    "i64",
    "now",
    "pack",
    "pack_json",
    "read_batches",
    "reject",
    "sqrt",
    "text",
    "time",
    "u8",
    "u16",
    "u32",
    "u64",
    "unpack_delta",
    "validate_delta",
]

_HOMES = {
    "mmsb.app": ("App", "connect"),
    "mmsb.processors.bundle": ("Bundle",),
    "mmsb.processors.compiled": ("Compiled",),
    "mmsb.processors.doors": (
        "Mutate",
        "Query",
        "Upsert",
    ),
    "mmsb.processors.intake": ("read_batches",),
    "mmsb.processors.machine": (
        "Machine",
        "Outcome",
    ),
    "mmsb.processors.plans": ("Plan",),
    "mmsb.processors.projection": ("events_of",),
    "mmsb.processors.receipts": ("Receipts",),
    "mmsb.processors.requests": (
        "pack",
        "pack_json",
    ),
    "mmsb.processors.writer": (
        "Entry",
        "Writer",
    ),
    "mmsb.schemas.batches": (
        "decode_batch",
        "decode_batches",
        "encode_batch",
    ),
    "mmsb.schemas.classes": (
        "Intent",
        "Page",
        "Ref",
        "epoch_of",
    ),
    "mmsb.schemas.delta_validation": (
        "DeltaVerdict",
        "validate_delta",
    ),
    "mmsb.schemas.deltas": (
        "Delta",
        "DeltaKind",
        "DeltaStatus",
        "unpack_delta",
    ),
    "mmsb.schemas.errors": (
        "CallerError",
        "Conflict",
        "CorruptState",
        "EnvironmentFailed",
        "FolderInUse",
        "GenerationConflict",
        "InvalidDefinition",
        "InvalidDelta",
        "InvalidValue",
        "MalformedBytes",
        "MmsbError",
        "NewerFormat",
        "OutcomeUnknown",
        "Overloaded",
        "PageNotFound",
        "ReadOnly",
        "Superseded",
    ),
    "mmsb.schemas.events": ("Event", "EventKind"),
    "mmsb.schemas.markers": (
        "array",
        "blob",
        "f64",
        "field",
        "i8",
        "i16",
        "i32",
        "i64",
        "text",
        "time",
        "u8",
        "u16",
        "u32",
        "u64",
    ),
    "mmsb.schemas.metadata": ("Metadata",),
    "mmsb.schemas.records": (
        "Record",
        "Records",
    ),
    "mmsb.schemas.rejections": (
        "Code",
        "Rejection",
    ),
    "mmsb.schemas.statuses": ("Status",),
    "mmsb.schemas.tlog.claims": ("Durability",),
    "mmsb.schemas.tlog.genesis": ("Genesis",),
    "mmsb.schemas.tlog.migrations": (
        "Migration",
        "Step",
    ),
    "mmsb.schemas.verbs": (
        "delete",
        "emit",
        "exists",
        "now",
        "reject",
        "sqrt",
    ),
    "mmsb.state.array_fold": ("ArrayFold",),
    "mmsb.state.arrays": ("ArrayState",),
    "mmsb.state.fold": (
        "Discarded",
        "Fold",
        "Verdict",
    ),
    "mmsb.state.partition": ("PartitionState",),
    "mmsb.streams.asking.logbook": ("LogEntry", "Logbook", "TouchedPage", "Why"),
    "mmsb.streams.building": (
        "build",
        "build_folding",
    ),
    "mmsb.streams.bus": ("FROM_THE_START", "Bus"),
    "mmsb.streams.door": ("Position",),
    "mmsb.streams.edges.declaring": (
        "Ask",
        "Columns",
        "Message",
        "Messages",
        "Processor",
        "Topic",
    ),
    "mmsb.streams.edges.delivering": ("Counts",),
    "mmsb.streams.kafka.cluster.security": ("Security",),
    "mmsb.streams.page_values": ("PageChange", "PageEvent"),
    "mmsb.streams.stats": ("PartitionStats", "Stats"),
    "mmsb.streams.tickets": ("Receipt",),
    "mmsb.streams.watching.counting": ("Counter",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mmsb' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__

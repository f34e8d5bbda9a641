"""Errors over the socket: the class as a number, the message, and what a few classes carry beside it."""

import struct
from typing import Final

from mmsb.schemas import errors
from mmsb.schemas.errors import MmsbError
from mmsb.streams.serving.bodies import Body, padded

FAULT_BYTES_MAX: Final = 65_536  # of a message; what is longer is cut

_FIXED: Final = struct.Struct("<HHIqq")  # class, zero, size of the message, status, position

# On the wire: numbers stay with their classes. What is not here travels as the nearest class above it that is.
_CLASSES: Final[dict[int, type[MmsbError]]] = {
    1: errors.InvalidDefinition,
    2: errors.InvalidValue,
    3: errors.InvalidDelta,
    4: errors.PageNotFound,
    5: errors.ReadOnly,
    6: errors.EnvironmentFailed,
    7: errors.Overloaded,
    8: errors.OutcomeUnknown,
    9: errors.FolderInUse,
    10: errors.GenerationConflict,
    11: errors.Superseded,
    12: errors.CorruptState,
    13: errors.MalformedBytes,
    14: errors.NewerFormat,
}
_NUMBERS: Final = {known: number for number, known in _CLASSES.items()}
_POSITIONED: Final = (errors.InvalidDelta, errors.MalformedBytes)


def encode_fault(error: MmsbError) -> bytes:
    number = next((_NUMBERS[cls] for cls in type(error).__mro__ if cls in _NUMBERS), _NUMBERS[errors.EnvironmentFailed])
    status = error.status if isinstance(error, errors.InvalidDelta) else 0
    position = error.position if isinstance(error, _POSITIONED) else 0
    text = str(error).encode(errors="replace")[:FAULT_BYTES_MAX].decode(errors="ignore").encode()
    return _FIXED.pack(number, 0, len(text), status, position) + padded(text)


def decode_fault(body: bytes) -> MmsbError:
    reader = Body("fault", body)
    number, zero, size, status, position = reader.fixed(_FIXED)
    reader.check(number in _CLASSES and not zero, f"an error from 1 to {max(_CLASSES)}, and zero", f"{number}, {zero}")
    reader.check(size <= FAULT_BYTES_MAX, f"a message of up to {FAULT_BYTES_MAX} bytes", size)
    try:
        message = reader.take(size).decode()
    except UnicodeDecodeError:
        message = None
    reader.check(message is not None, "a message in UTF-8", "other bytes")
    reader.end()
    error = _make(_CLASSES[number], message or "", status, position)
    reader.check(encode_fault(error) == body, "the bytes that an encoder writes", "others")
    return error


def _make(cls: type[MmsbError], message: str, status: int, position: int) -> MmsbError:
    if issubclass(cls, errors.InvalidDelta):
        return cls(message, status, position)
    if not issubclass(cls, errors.MalformedBytes):
        return cls(message)
    error = cls.__new__(cls, message)  # its constructor would put the message together from parts
    Exception.__init__(error, message)
    error.what, error.position = message.partition(": expected ")[0], position
    return error

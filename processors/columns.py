"""Many intents of one class from columns: arrays, lists, or one value for all rows.

What stands here is byte for byte what `pack` writes for one intent after another, and what it refuses is refused here,
naming field and row. Whole columns are looked at by NumPy; as soon as one does not look right, its rows are packed one
by one by their field's type, which is the authority and knows the words.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, NoReturn, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.batching import Intents
from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES, make_id, source_of
from mmsb.schemas.layouts import Field, IntentLayout
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.rejections import Refused
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.types import I64_MAX, Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text

Ids = NDArray[np.uint64] | NDArray[np.uint8] | Sequence[str | UUID | bytes]
Column = Any  # an array, a sequence, whatever NumPy makes an array of, or one value for all rows
Stored = NDArray[Any]

# Of which kinds arrays may be (NumPy's letters), and what simple lists hold, for each type of field.
_LETTERS: Final[dict[type, str]] = {Integer: "iu", Float: "iuf", Boolean: "b", Enumeration: "iu", Text: "S"}
_PLAIN: Final[dict[type, set[type]]] = {Integer: {int}, Float: {int, float}, Boolean: {bool}}


def pack_columns(
    layout: IntentLayout,
    columns: Mapping[str, Column],
    *,
    ids: Ids | None = None,
    metadata: bytes = b"",
    source: str | None = None,
    numbers: Any = None,
) -> Intents:
    """Intents of one class, a row for each. A field may have one value for all rows, or be left to its default.

    `numbers` of one `source` rise from row to row.
    """
    _check_names(layout, columns)
    _check_metadata(layout, ids, source, metadata)
    stored = {field: _stored(layout, field, columns) for field in layout.fields}
    identity = None if ids is None else _pack_ids(layout, ids)
    sources = _pack_sources(layout, source, numbers)
    lengths = {field.name: len(column) for field, column in stored.items() if column.ndim > _value_ndim(field.type)}
    if identity is not None:
        lengths["ids"] = len(identity)
    if sources is not None:
        lengths["numbers"] = len(sources)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} of {length}" for name, length in lengths.items())
        raise InvalidValue(f"{layout.name}: expected columns of one length, found {found}")
    count = next(iter(lengths.values()), 1)
    arguments = np.zeros((count, layout.size // 8), np.uint64)
    if layout.size:
        rows = arguments.reshape(-1).view(_row_type(layout))
        for field, column in stored.items():
            rows[field.name] = column
    return Intents(layout, arguments, identity, metadata, sources)


def _row_type(layout: IntentLayout) -> np.dtype[Any]:
    fields = layout.fields
    names, offsets = [field.name for field in fields], [field.offset for field in fields]
    formats = [_format(field.type) for field in fields]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": layout.size})


def _format(kind: FieldType) -> Any:
    """How NumPy calls what the field holds."""
    if isinstance(kind, Array):
        return _format(kind.element), (kind.count,)
    if isinstance(kind, Text | Blob):
        return f"V{kind.size}"
    if isinstance(kind, Integer):
        return f"<{'i' if kind.signed else 'u'}{kind.size}"
    return "<f8" if isinstance(kind, Float) else f"<u{kind.size}"


def _value_ndim(kind: FieldType) -> int:
    return 1 if isinstance(kind, Array) else 0


def _stored(layout: IntentLayout, field: Field, columns: Mapping[str, Column]) -> Stored:
    """A column as the layout stores it, or one value for all rows."""
    values = columns.get(field.name, field.default)
    packer = _Packer(f"{layout.name}.{field.name}", field.type)
    if _is_one(field.type, values):
        try:
            one: Stored = packer.read(field.type.pack(packer.plain(values)))[0]
            return one
        except InvalidValue as error:
            raise InvalidValue(f"{packer.name}: {error}") from None
    return packer.column(values)


def _is_one(kind: FieldType, values: Column) -> bool:
    """Whether this is one value for all rows, not a column."""
    if isinstance(kind, Array):
        if isinstance(values, list | tuple):
            items = cast("Sequence[Any]", values)
            return len(items) > 0 and not isinstance(items[0], list | tuple | np.ndarray)
        return np.ndim(values) == 1
    if isinstance(values, np.ndarray):
        return values.ndim == 0
    return isinstance(values, str | bytes | np.generic) or not hasattr(values, "__len__")


@dataclass(frozen=True, slots=True)
class _Packer:
    """Turns columns of one field into what its layout stores: at once, or row by row where a column looks wrong."""

    name: str
    kind: FieldType

    def read(self, data: bytes) -> Stored:
        """Packed values, one after another, as a column."""
        return np.frombuffer(data, np.dtype(_format(self.kind)))

    def plain(self, value: Any) -> Any:
        """A value as the field's type takes it: no NumPy scalar, and a member's number instead of its name."""
        if isinstance(value, np.ndarray | np.generic):
            return self.plain(value.tolist())
        if isinstance(self.kind, Array) and isinstance(value, list | tuple):
            return [item.tolist() if isinstance(item, np.generic) else item for item in cast("list[Any]", value)]
        if isinstance(self.kind, Enumeration) and isinstance(value, str):
            return dict(self.kind.members).get(value, value)
        return value

    def column(self, values: Column) -> Stored:
        if isinstance(values, np.ma.MaskedArray):
            raise InvalidValue(f"{self.name}: expected a column without gaps, found a masked array; fill it first")
        if isinstance(values, list | tuple):
            items = list(cast("Sequence[Any]", values))
        else:
            array = np.asarray(values)
            if array.ndim == 0 or array.dtype.kind not in "OUT":
                return self._array(array)  # numbers, or bytes of one size; objects and texts are lists by another name
            items = array.tolist()
        fast = self._list(items)
        return self._rows(items) if fast is None else fast

    def _rows(self, items: Iterable[Any]) -> Stored:
        """Row by row: slow and exact, and it knows which one is wrong."""
        return self.read(b"".join(self._row(row, item) for row, item in enumerate(items)))

    def _row(self, row: int, item: Any) -> bytes:
        try:
            return self.kind.pack(self.plain(item))
        except InvalidValue as error:
            raise InvalidValue(f"{self.name}, row {row}: {error}") from None

    def _list(self, items: Sequence[Any]) -> Stored | None:
        """The column of a list; None if its rows are to be looked at one by one."""
        kind, types = self.kind, set(map(type, items))
        try:
            if isinstance(kind, Array):
                return self._lists(kind, items) if types <= {list, tuple} else None
            if isinstance(kind, Text):
                return self._texts(kind, items) if types <= {str} else None
            if isinstance(kind, Enumeration):
                return self._members(kind, items) if types - {kind.python} <= {int, str} else None
            column = np.array(items, _format(kind)) if types <= _PLAIN.get(type(kind), set()) else None
        except (OverflowError, KeyError, UnicodeEncodeError):
            return None
        return column if column is not None and (isinstance(kind, Integer) or _fits(kind, column)) else None

    def _members(self, kind: Enumeration, items: Sequence[Any]) -> Stored:
        numbers: dict[str | int, int] = {**dict(kind.members), **{number: number for _, number in kind.members}}
        return np.array([numbers[item] for item in items], "<u2")

    def _lists(self, kind: Array, items: Sequence[Any]) -> Stored | None:
        if any(len(item) != kind.count for item in items):
            return None
        flat = _Packer(self.name, kind.element)._list(list(chain.from_iterable(items)))
        return None if flat is None else flat.reshape(-1, kind.count)

    def _texts(self, kind: Text, items: Sequence[str]) -> Stored | None:
        encoded = [item.encode() for item in items]
        if b"\x00" in b"".join(encoded) or max(map(len, encoded), default=0) > kind.size:
            return None
        return np.array(encoded, f"S{kind.size}").view(f"V{kind.size}")

    def _array(self, values: Stored) -> Stored:
        """The column of an array of numbers or bytes."""
        kind = self.kind
        if isinstance(kind, Blob):
            return self._blobs(kind, values)
        shape, number = ((kind.count,), kind.element) if isinstance(kind, Array) else ((), kind)
        if values.ndim == 0 or values.shape[1:] != shape or not _takes(number, values.dtype):
            self._refuse(values)
        if isinstance(kind, Text):
            return self._utf8(kind, values)
        return values if _fits(number, values) else self._rows(values)

    def _utf8(self, kind: Text, values: Stored) -> Stored:
        """Texts that are encoded already."""
        cells = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        inside = (cells[:, :-1] == 0) & (cells[:, 1:] != 0)
        if not inside.any() and not cells[:, kind.size :].any() and (cells < 0x80).all():
            return values.astype(f"S{kind.size}").view(f"V{kind.size}")
        texts: list[str] = []
        try:
            texts.extend(raw.decode() for raw in values.tolist())
        except UnicodeDecodeError:
            found = values[len(texts)]
            raise InvalidValue(f"{self.name}, row {len(texts)}: expected text as UTF-8, found {found!r}") from None
        return self.column(texts)

    def _blobs(self, kind: Blob, values: Stored) -> Stored:
        """NumPy drops zeros from the end of `S`, which blobs may end with."""
        if values.dtype == np.uint8 and values.shape[1:] == (kind.size,):
            return np.ascontiguousarray(values).view(f"V{kind.size}")[:, 0]
        if values.ndim != 1 or values.dtype != np.dtype(f"V{kind.size}"):
            self._refuse(values)
        return values

    def _refuse(self, values: Stored) -> NoReturn:
        kind = self.kind
        rows = f" with {kind.count} columns" if isinstance(kind, Array) else ""
        rows = f" as n × {kind.size} uint8, V{kind.size} or a list of bytes" if isinstance(kind, Blob) else rows
        found = f"{values.dtype} of shape {values.shape}"
        raise InvalidValue(f"{self.name}: expected a column of {kind.spelling}{rows}, found {found}")


def _takes(kind: FieldType, found: np.dtype[Any]) -> bool:
    """Whether arrays of that type may hold values of this one; floats wider than ours would lose digits unseen."""
    return found.kind in _LETTERS[type(kind)] and (found.kind != "f" or found.itemsize <= kind.size)


def _fits(kind: FieldType, values: Stored) -> bool:
    """Whether all numbers of an array are values of this type."""
    if not values.size or isinstance(kind, Boolean):
        return True
    if isinstance(kind, Enumeration):
        return bool(np.isin(values, [number for _, number in kind.members]).all())
    if isinstance(kind, Integer):
        return int(values.min()) >= kind.minimum and int(values.max()) <= kind.maximum
    return bool(np.isfinite(values).all())


def _check_names(layout: IntentLayout, columns: Mapping[str, Column]) -> None:
    if not isinstance(columns, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
        raise InvalidValue(
            f"{layout.name}: expected columns as a mapping from field to values, found {type(columns).__name__}"
        )
    for name in columns:
        if name not in layout.index_of:
            near = get_close_matches(str(name), layout.index_of, 1)
            hint = f"did you mean {near[0]!r}? It" if near else "it"
            known = ", ".join(layout.index_of) or "none"
            raise InvalidValue(f"{layout.name} has no field {name!r}; {hint} has {known}")
    missing = [field.name for field in layout.fields if field.name not in columns and field.default is None]
    if missing:
        raise InvalidValue(f"{layout.name}: missing {', '.join(missing)}; give a column, or one value for all rows")


def _check_metadata(layout: IntentLayout, ids: Ids | None, source: str | None, metadata: bytes) -> None:
    named = ID_BYTES * (ids is not None) + SOURCE_BYTES * (source is not None)
    size = HEADER.size + named + layout.size + len(metadata)
    if size > INTENT_BYTES_MAX:
        raise InvalidValue(f"{layout.name}: an intent has at most {INTENT_BYTES_MAX} bytes, found {size}")
    try:
        if metadata:
            unpack_metadata(metadata)
    except Refused:
        raise InvalidValue(f"metadata: expected a block (Metadata.pack gives it), found {metadata[:16]!r}…") from None


def _pack_ids(layout: IntentLayout, ids: Ids) -> NDArray[np.uint64]:
    """A copy, two words for each: nobody changes ids after they were given."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind not in "OUT":
        if ids.ndim == 2 and (ids.dtype.str, ids.shape[1]) in (("<u8", 2), ("|u1", ID_BYTES)):
            return np.array(ids, order="C").view(np.uint64)
        raise InvalidValue(
            f"{layout.name}: expected ids as n × 2 uint64 or n × 16 uint8, found {ids.dtype} of shape {ids.shape}"
        )
    if isinstance(ids, str | bytes | UUID):
        raise InvalidValue(f"{layout.name}: expected an id for each row, found one: {ids!r}; two rows cannot share it")
    packed: list[bytes] = []
    try:
        packed.extend(map(make_id, ids))
    except InvalidValue as error:
        raise InvalidValue(f"{layout.name}.ids, row {len(packed)}: {error}") from None
    return np.frombuffer(b"".join(packed), np.uint64).reshape(-1, 2)


def _pack_sources(layout: IntentLayout, source: str | None, numbers: Any) -> NDArray[np.uint64] | None:
    """The part of each packed intent that says which number of a source it is."""
    if (source is None) != (numbers is None):
        raise InvalidValue(f"{layout.name}: source and numbers go together: give both or neither")
    if source is None:
        return None
    found = np.asarray(numbers)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise InvalidValue(f"{layout.name}.numbers: expected integers, one for each row, found {found.dtype} of shape "
                           f"{found.shape}")  # fmt: skip
    low = np.flatnonzero((found < 1) | (found > I64_MAX))
    falling = np.flatnonzero(found[1:] <= found[:-1])
    if len(low):
        raise InvalidValue(f"{layout.name}.numbers, row {low[0]}: expected 1 to {I64_MAX}, found {found[low[0]]}")
    if len(falling):
        row = int(falling[0]) + 1
        raise InvalidValue(
            f"{layout.name}.numbers, row {row}: expected more than the {found[row - 1]} of the row before, found "
            f"{found[row]}: what does not rise would be dropped as a duplicate"
        )
    words = np.zeros((len(found), SOURCE_BYTES // 8), np.uint64)
    words[:, :2] = np.frombuffer(source_of(source), np.uint64)
    words[:, 2] = found
    return words

"""Words in the middle of bytes, and hints to the memory: what Numba has no words for.

Each has a plain twin, which runs where code is not compiled or where every access is to be checked.
"""

import importlib
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from mmsb.kernels.jit import CHECKED, COMPILED, inlined

Bytes = Any  # a u8 array
Words = Any  # a u64 array
Word = Any  # a u64; Numba keeps i64 and u64 apart, and so must every kernel
Flag = Any  # a bool
Int = Any  # an i64: a Python int, or what comes out of an array

WORD = np.uint64

_cgutils: Any = importlib.import_module("numba.core.cgutils")
_intrinsic: Any = intrinsic  # what it makes takes other arguments than the function that it is made of
_BYTE = ir.IntType(8)
_FIRST = np.uint64(0)


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any, size: int) -> Any:
    """The address of element `at`, for reading or writing `size` bytes of any alignment."""
    data = context.make_array(array)(context, builder, value).data
    element = builder.gep(data, [at])
    return builder.bitcast(element, ir.IntType(8 * size).as_pointer())


def _loader(size: int) -> Any:
    @_intrinsic
    def load(typing: Any, source: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, signature.args[0], args[0], args[1], size)
            word = builder.load(place, align=1)
            return word if size == 8 else builder.zext(word, ir.IntType(64))

        return types.uint64(source, types.int64), generate

    return load


@_intrinsic
def _store(typing: Any, target: Any, at: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1], 8)
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, types.uint64), generate


@_intrinsic
def _copy(typing: Any, target: Any, to: Any, source: Any, at: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = signature.args[0].dtype.bitwidth // 8
        left, right = (
            builder.bitcast(_place(context, builder, signature.args[n], args[n], args[n + 1], size), _BYTE.as_pointer())
            for n in (0, 2)
        )
        word, flag = ir.IntType(64), ir.IntType(1)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _BYTE.as_pointer(), word, flag])
        call = _cgutils.get_or_insert_function(builder.module, kind, "llvm.memcpy.p0.p0.i64")
        builder.call(call, [left, right, builder.mul(args[4], word(size)), flag(0)])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.int64), generate


@_intrinsic
def _prefetch(typing: Any, source: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(_place(context, builder, signature.args[0], args[0], args[1], 1), _BYTE.as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), number, number, number])
        hint = _cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [place, number(0), number(3), number(1)])  # for reading, into all caches, data
        return context.get_dummy_value()

    return types.void(source, types.int64), generate


@_intrinsic
def _float_of(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), generate


@_intrinsic
def _bits_of(typing: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), generate


if CHECKED:

    @inlined
    def load_u64(source: Bytes, at: Int) -> Word:
        """The word that begins at byte `at`."""
        word = _FIRST
        for index in range(8):
            word |= WORD(source[at + index]) << WORD(8 * index)
        return word

    @inlined
    def load_u32(source: Bytes, at: Int) -> Word:
        """The four bytes that begin at byte `at`."""
        word = _FIRST
        for index in range(4):
            word |= WORD(source[at + index]) << WORD(8 * index)
        return word

    @inlined
    def store_u64(target: Bytes, at: Int, word: Word) -> None:
        """Write a word from byte `at` on."""
        for index in range(8):
            target[at + index] = np.uint8((word >> WORD(8 * index)) & WORD(255))

    @inlined
    def load_word(source: Words, at: Int) -> Word:
        """Element `at`, which is none from the end: so loops over many get vectors."""
        return source[at]

    @inlined
    def copy_long(target: Any, to: Int, source: Any, at: Int, count: Int) -> None:
        """Copy elements between arrays of one kind: as the machine does it best, worth it from some 50 bytes on."""
        for index in range(count):
            target[to + index] = source[at + index]

    @inlined
    def prefetch(source: Any, at: Int) -> None:
        """Say that element `at` will soon be read; it may lie anywhere."""

else:
    _load_u64, _load_u32 = _loader(8), _loader(4)

    @inlined
    def load_u64(source: Bytes, at: Int) -> Word:
        """The word that begins at byte `at`."""
        return _load_u64(source, at)

    @inlined
    def load_u32(source: Bytes, at: Int) -> Word:
        """The four bytes that begin at byte `at`."""
        return _load_u32(source, at)

    @inlined
    def store_u64(target: Bytes, at: Int, word: Word) -> None:
        """Write a word from byte `at` on."""
        _store(target, at, word)

    @inlined
    def load_word(source: Words, at: Int) -> Word:
        """Element `at`, which is none from the end: so loops over many get vectors."""
        return _load_u64(source, at)

    @inlined
    def copy_long(target: Any, to: Int, source: Any, at: Int, count: Int) -> None:
        """Copy elements between arrays of one kind: as the machine does it best, worth it from some 50 bytes on."""
        _copy(target, to, source, at, count)

    @inlined
    def prefetch(source: Any, at: Int) -> None:
        """Say that element `at` will soon be read; it may lie anywhere."""
        _prefetch(source, at)


if COMPILED:

    @inlined
    def float_of(word: Word) -> Any:
        """The f64 with these bits."""
        return _float_of(word)

    @inlined
    def bits_of(number: float) -> Word:
        """The bits of an f64."""
        return _bits_of(number)

else:

    def float_of(word: Word) -> Any:
        """The f64 with these bits."""
        return float(np.uint64(word).view(np.float64))

    def bits_of(number: float) -> Word:
        """The bits of an f64."""
        return np.float64(number).view(np.uint64)


@inlined
def copy_words(target: Words, to: Int, source: Words, at: Int, count: Int) -> None:
    """Copy words between arrays, or inside one where the two stretches do not overlap."""
    for index in range(count):
        target[to + index] = source[at + index]


@inlined
def copy_bytes(target: Bytes, to: Int, source: Bytes, at: Int, count: Int) -> None:
    """Copy bytes, a word at a time as long as there are eight of them."""
    whole = count - count % 8
    for index in range(0, whole, 8):
        store_u64(target, to + index, load_u64(source, at + index))
    for index in range(whole, count):
        target[to + index] = source[at + index]

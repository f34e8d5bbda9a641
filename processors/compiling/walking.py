"""Questions about the IR that any part of the generator asks: which nodes are in it."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from mmsb.processors.language.kinds import Node


def nodes_of(tree: object) -> Iterator[Node]:
    """Every node of a tree, an outer one before those in it."""
    if not isinstance(tree, tuple | list):
        return
    parts = cast("Sequence[Any]", tree)
    if isinstance(tree, tuple) and parts and isinstance(parts[0], str):
        yield tuple(parts)
    for part in parts:
        yield from nodes_of(part)


def has(tree: object, name: str) -> bool:
    return any(node[0] == name for node in nodes_of(tree))


def page_fields(tree: object, names: Sequence[str], page: int) -> set[int]:
    """The fields of a page that nodes of these names refer to."""
    return {node[2] for node in nodes_of(tree) if node[0] in names and node[1] == page}


def deletes(tree: object, page: int) -> bool:
    return any(node == ("delete", page) for node in nodes_of(tree))


def literal_sizes(tree: object) -> list[int]:
    """Of every text and blob that is written in the code."""
    texts = (node for node in nodes_of(tree) if node[0] == "const" and node[1] in ("text", "blob"))
    return [len(literal_bytes(node[2])) for node in texts]


def literal_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def count(tree: object) -> int:
    return sum(1 for _ in nodes_of(tree))

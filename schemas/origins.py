"""What a page class says of the fields that its pages had before: which have other names now, and which are gone.

Whatever keeps its name needs nothing said, and a field that is new has its default. The rest is said in the class, so
that nobody loses a field by accident. It matters only where data of an older layout is opened, and is no part of the
layout: mmsb.state.planning makes the steps of a migration from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.markers import Specifier
from mmsb.schemas.places import place_of_class


@dataclass(frozen=True, slots=True)
class Origins:
    was: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The names that a field had before."""
    dropped: tuple[str, ...] = ()
    """Fields that there were once."""


def page_origins(cls: type[Any], layout: PageLayout, dropped: str | tuple[str, ...]) -> Origins:
    """What stands in `was=` of the class's fields, and in `dropped=` of its decorator."""
    specifiers = {name: vars(cls).get(name) for name in layout.index_of}
    was = {name: given.was for name, given in specifiers.items() if isinstance(given, Specifier) and given.was}
    gone = dropped if isinstance(dropped, tuple) else (dropped,)
    for name, earlier in was.items():
        _check_earlier(cls, name, earlier, [other for one, other in was.items() if one != name], gone)
    for name in gone:
        if not _is_name(name):
            raise place_of_class(cls).wrong(f"dropped= takes names of fields, as text, found {name!r}")
        if name in layout.index_of:
            raise place_of_class(cls, name).wrong(
                f"{name!r} is dropped, and a field of the class: leave it out of dropped=, or rename the new field"
            )
    return Origins(was, gone)


def _check_earlier(
    cls: type[Any], name: str, earlier: tuple[Any, ...], others: list[tuple[Any, ...]], gone: tuple[Any, ...]
) -> None:
    here = place_of_class(cls, name)
    for old in earlier:
        if not _is_name(old) or old == name:
            raise here.wrong(f"was= takes another name that the field had, as text, found {old!r}")
        if any(old in names for names in others):
            raise here.wrong(f"two fields say was={old!r}; only one can go on with what it held")
        if old in gone:
            raise here.wrong(f"it says was={old!r}, and {old!r} is dropped; leave one of them out")


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier()

"""The planted bugs: what is damaged, what is run, and the assertion that must notice.

`expected` stands in the message of the failed assertion: a comparison's name of tests.proof, or a test and what it says.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bug:
    """One source patch; `runs` are the arguments of tests.planted.catcher."""

    name: str
    file: str
    old: str
    new: str
    runs: tuple[str, ...]
    expected: str
    why: str


BUGS: Final = (
    Bug(
        "an i64 wraps",
        "processors/language/interpret.py",
        "        raise run.refuse(Code.OVERFLOW)\n    return value\n",
        "        return (value - I64_MIN) % 2**64 + I64_MIN\n    return value\n",
        ("agree", "0"),
        "[outcome]",
        "what overflows must be rejected, not become another number",
    ),
)

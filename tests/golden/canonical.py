"""Golden canonical JSON."""

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.json_text import JsonValue

VALUES: JsonValue = {
    "b": [1, -0.0, 1e22, 0.1, 2**64 - 1, True, None],
    "a": {"ü": '\U0001f600 é \n \x00 \x7f / " \\', "": []},
    "Z": 1.5e-7,
}

FILES = {
    "values.json": lambda: canonical(VALUES),
    "empty.json": lambda: canonical({}),
}


def again(data: bytes) -> bytes:
    return canonical(parse_canonical(data))

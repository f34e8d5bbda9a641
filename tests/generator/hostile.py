"""Bytes that nobody should send."""

import json
from random import Random
from typing import Any

ODD_NUMBERS = [
    "-0", "0.0", "-0.0", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1E3", "1e-400", "01", "1.", ".5", "-",
    "+1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "1" * 5000, "1.0", "2.5e0", "1e", "0x10", "nul", "tru", "Inf",
]  # fmt: skip
ODD_VALUES = [
    "null", "true", "false", '""', "[]", "{}", '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\ud83d\\u0041"',
    '"\\u0000"', '"\\x"', '"a\tb"', "[" * 7 + "]" * 7, "[" * 8 + "]" * 8, "[" * 40, '{"a":1,"a":2}', '"\\ud83d',
    '"\\ud83d\\ud', "[1,]", "[1 2]", '{"a"}', "'a'", '"' + "x" * 300 + '"', '"é€𝄞"', '"\x7f"',
]  # fmt: skip
OTHER_INTEGERS = [
    -1, 127, 128, -128, -129, 255, 256, 32768, -32769, 65536, 2**31, -(2**31) - 1, 2**32, 2**63, 2**64 - 1, 2**64,
    -(2**63) - 1,
]  # fmt: skip
OTHER_TEXTS = ["", "x" * 17, "é" * 20, "\0", "a\0b", "M0", "M9", "00", "0g", "ff" * 8, "ab" * 4]
MEMBERS = ("@version", "@type", "@id", "@actor", "@reason", "@correlation", "@causation", "@trace", "@source",
           "@number", "@else", "@", "", "nobody")  # fmt: skip


def garbage(rng: Random) -> bytes | None:
    return rng.choice([
        None, b"", b"{", b"{}", b"M", b"MMI", b"MMI\x01", b"MMI\x01" + bytes(12), b"MMI\x02" + bytes(20),
        b"MMD\x01" + bytes(28), b"[1]", b" {}", b"\xef\xbb\xbf{}", b"null", b'{"@type"', b'{"@type":1}',
        b'{"@type":"mmsb.Upsert"}', b"{\xff}",
        b'{"a":"\xed\xa0\x80"}', rng.randbytes(rng.randint(1, 90)), b"MMI\x01" + rng.randbytes(rng.randint(12, 90)),
        b"x" * 262_145, b"{" + b" " * 262_144,
    ])  # fmt: skip


def damaged(rng: Random, value: bytes) -> bytes:
    """A valid intent with something wrong; JSON may become odd JSON."""
    kind = rng.random()
    if value[:1] == b"{" and kind < 0.6:
        return odd_json(rng, value)
    if kind < 0.7:
        return value[: rng.randrange(len(value))]
    if kind < 0.8:
        return value + rng.choice([b"\0", bytes(8), b"}", rng.randbytes(8)])
    out = bytearray(value)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        at = rng.randrange(min(len(out), 64) if rng.random() < 0.5 else len(out))
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def odd_json(rng: Random, value: bytes) -> bytes:
    """One member replaced or added."""
    members: dict[str, Any] = json.loads(value)
    odd = rng.choice(ODD_NUMBERS) if rng.random() < 0.5 else rng.choice(ODD_VALUES)
    if rng.random() < 0.2:
        odd = json.dumps(rng.choice(["x" * 257, "é" * 129, "x" * 600, "x" * 1100, "\0", "a\0b", 0, -1, 2**63, 1.0]))
    written = {json.dumps(name): json.dumps(member) for name, member in members.items()}
    chance = rng.random()
    fields = [name for name in members if not name.startswith("@")]
    if chance < 0.35 and fields:
        name = rng.choice(fields)
        written[json.dumps(name)] = json.dumps(other_value(rng, members[name]))
    elif chance < 0.6:
        written[json.dumps(rng.choice(list(members)))] = odd
    elif chance < 0.85:
        written[json.dumps(rng.choice(MEMBERS))] = odd
    else:
        del written[json.dumps(rng.choice(list(members)))]
    pairs = [f"{name}: {member}" for name, member in written.items()]
    if rng.random() < 0.1:
        pairs.append(rng.choice(pairs))
    rng.shuffle(pairs)
    return ("{" + ", ".join(pairs) + "}").encode()


def other_value(rng: Random, value: Any) -> Any:
    """A value of the same kind in JSON, that the field may refuse."""
    if isinstance(value, str):
        return rng.choice(OTHER_TEXTS)
    if isinstance(value, list):
        return rng.choice([value[:-1], [*value, 1], [*value[:-1], rng.choice(OTHER_INTEGERS)], [*value[:-1], "1"], []])
    return rng.choice(OTHER_INTEGERS)

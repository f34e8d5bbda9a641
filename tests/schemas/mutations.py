"""Bytes that were valid once: how fuzz tests make them hostile."""

from hypothesis import strategies as st


@st.composite
def mutated(draw, valid):
    """Valid bytes after a few changes, cuts, repetitions or insertions."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "remove", "repeat"]))
        if kind == "set" and at < len(data):
            data[at] = draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=9))
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 9))]
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 32))]
    return bytes(data)

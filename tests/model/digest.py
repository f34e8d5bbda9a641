"""formats.md, section 9: the mixing function, the state digest and the intents checksum."""

MASK = 2**64 - 1
G = 0x9E3779B97F4A7C15
M = 0xD6E8FEB86659FD93
L = 0xA24BAED4963EE407


def fmix(z: int) -> int:
    z = ((z ^ (z >> 32)) * M) & MASK
    z = ((z ^ (z >> 32)) * M) & MASK
    return z ^ (z >> 32)


def seed(tag: int, *words: int) -> int:
    s = tag
    for word in words:
        s = fmix(((s + G) & MASK) ^ (word & MASK))
    return s


def mix(word: int, index: int, s: int) -> tuple[int, int]:
    x = (s + (index + 1) * G) & MASK
    a = fmix((word & MASK) ^ x)
    turned = ((x << 29) | (x >> 35)) & MASK
    b = ((a ^ turned) * L) & MASK
    return a, b ^ (b >> 31)


def words_of(data: bytes) -> list[int]:
    """The bytes, zero-padded to whole words."""
    data = data + b"\0" * (-len(data) % 8)
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


def add(*terms: tuple[int, int]) -> tuple[int, int]:
    return sum(a for a, _ in terms) & MASK, sum(b for _, b in terms) & MASK


def page_term(type_id: int, key: bytes, epoch: int, body: bytes) -> tuple[int, int]:
    s = seed(1, type_id, *words_of(key))
    return add(mix(epoch, 0, s), *(mix(word, i + 1, s) for i, word in enumerate(words_of(body))))


def id_term(id16: bytes, first: int) -> tuple[int, int]:
    s = seed(2, first)
    low, high = words_of(id16)
    return add(mix(low, 0, s), mix(high, 1, s))


def mark_term(kind: int, source: bytes, mark: int) -> tuple[int, int]:
    return mix(mark, 0, seed(3, kind, *words_of(source)))


def sent_term(target: int, count: int) -> tuple[int, int]:
    return mix(count, 0, seed(4, target))


def clock_term(clock: int) -> tuple[int, int]:
    return mix(clock, 0, seed(5)) if clock > 0 else (0, 0)


def intent_term(offset: int, time: int, control: bool, transactional: bool, value: bytes | None) -> int:
    """One record's part of the intents checksum."""
    s = seed(6, offset, MASK if value is None else len(value))
    total = mix(time, 0, s)[0] + mix(int(control) + 2 * int(transactional), 1, s)[0]
    for j, word in enumerate(words_of(value or b"")):
        total += mix(word, j + 2, s)[0]
    return total & MASK


def row_checksum(row: bytes) -> int:
    """Section 8: over all words of a row but its fourth."""
    words = words_of(row)
    s = seed(7, len(words))
    return sum(mix(word, i, s)[0] for i, word in enumerate(words) if i != 3) & MASK

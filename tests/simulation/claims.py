"""What a simulation claims, by name: planted bugs are held against these names."""


class Wrong(AssertionError):
    """The engine did something that it must not; the message begins with the claim's name in brackets."""


def require(claim: str, holds: object, found: str) -> None:
    if not holds:
        raise Wrong(f"[{claim}] {found}")

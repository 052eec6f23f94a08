"""Header fields as mitmproxy keeps them: a tuple of (name, value) bytes, in order. Pure."""

from collections.abc import Collection

Fields = tuple[tuple[bytes, bytes], ...]


def get(fields: Fields, name: bytes) -> str:
    """All values of a field joined by ", ", as Latin-1 text; "" when it is absent."""
    return b", ".join(v for k, v in fields if k.lower() == name).decode("latin-1")


def without(fields: Fields, names: Collection[bytes]) -> Fields:
    """The fields whose lower-case name is not among names."""
    return tuple((k, v) for k, v in fields if k.lower() not in names)


def tokens(value: str) -> list[str]:
    """The lower-case items of a comma-separated value, without their parameters."""
    return [item.split(";", 1)[0].strip().lower() for item in value.split(",") if item.strip()]

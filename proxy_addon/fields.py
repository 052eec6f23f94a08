"""Header fields as mitmproxy keeps them: a tuple of (name, value) bytes, in order. Pure."""

from collections.abc import Collection, Mapping

Fields = tuple[tuple[bytes, bytes], ...]
# What by_name() makes of them: read with .get(name, "").
Values = Mapping[str, str]


def by_name(fields: Fields) -> dict[str, str]:
    """The values by lower-case name, as Latin-1 text; several of one name are joined by ", "."""
    values: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        values[name] = f"{values[name]}, {value}" if name in values else value
    return values


def edited(fields: Fields, edits: Mapping[bytes, bytes | None]) -> Fields:
    """The fields with new values by lower-case name; None takes a field away."""
    if not edits:
        return fields
    out = []
    for name, value in fields:
        lower = name.lower()
        if lower not in edits:
            out.append((name, value))
        elif (new := edits[lower]) is not None:
            out.append((name, new))
    return tuple(out)


def without(fields: Fields, names: Collection[bytes]) -> Fields:
    """The fields whose lower-case name is not among names."""
    return tuple((k, v) for k, v in fields if k.lower() not in names)


def tokens(value: str) -> list[str]:
    """The lower-case items of a comma-separated value, without their parameters."""
    return [item.split(";", 1)[0].strip().lower() for item in value.split(",") if item.strip()]

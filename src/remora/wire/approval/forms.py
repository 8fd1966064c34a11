"""Questions with typed answers: what an MCP server asks, as the server's own kind of question, and back."""

from collections.abc import Mapping
from typing import Any

from remora.wire.appserver.calls import mapping, sequence, text


def form_questions(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """One question for each member of the form."""
    required = sequence(schema.get("required"))
    return tuple(
        _question(name, mapping(member), required=name in required)
        for name, member in mapping(schema.get("properties")).items()
    )


def form_content(schema: Mapping[str, Any], answers: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The answers as the form wants them. Raises :class:`ValueError` where one does not fit."""
    properties = mapping(schema.get("properties"))
    return {name: _value(mapping(properties.get(name)), values) for name, values in answers.items()}


def _question(name: str, schema: Mapping[str, Any], *, required: bool) -> Mapping[str, Any]:
    return {
        "id": name,
        "header": text(schema.get("title")) or name,
        "question": text(schema.get("description")) or text(schema.get("title")) or name,
        "options": _options(schema) or None,
        "type": text(schema.get("type")) or "string",
        "required": required,
        "schema": schema,
    }


def _options(schema: Mapping[str, Any]) -> list[Mapping[str, str]]:
    within = mapping(schema.get("items")) if schema.get("type") == "array" else schema
    named = [mapping(each) for each in (*sequence(within.get("oneOf")), *sequence(within.get("anyOf")))]
    if named:
        return [{"label": str(each.get("const")), "description": text(each.get("title")) or ""} for each in named]
    names = sequence(within.get("enumNames"))
    return [
        {"label": str(value), "description": str(names[place]) if place < len(names) else ""}
        for place, value in enumerate(sequence(within.get("enum")))
    ]


def _value(schema: Mapping[str, Any], values: tuple[str, ...]) -> Any:
    first = values[0] if values else ""
    match schema.get("type"):
        case "boolean":
            return _truth(first)
        case "integer":
            return int(first)
        case "number":
            return float(first)
        case "array":
            return list(values)
    return first


def _truth(word: str) -> bool:
    lowered = word.strip().lower()
    if lowered in ("true", "yes", "y", "1"):
        return True
    if lowered in ("false", "no", "n", "0"):
        return False
    raise ValueError(f"{word[:40]!r} is neither yes nor no")

"""The published JSON schema of manifests, made from their types."""

from typing import Any

import msgspec

from remora.wire.manifest.document import Manifest


def manifest_schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12), for editors and for whoever writes manifests by program."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A manifest of remora provision",
        **_plain(msgspec.json.schema(Manifest)),
    }


def _plain(value: Any) -> Any:
    """Descriptions on one line, and no value that TOML cannot write: a key that is not wanted is left out there."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item) for key, item in value.items() if not (key == "default" and item is None)}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].replace("``", "`").split())
    if "anyOf" in plain:
        plain["anyOf"] = [choice for choice in plain["anyOf"] if choice != {"type": "null"}]
        if len(plain["anyOf"]) == 1:
            plain |= plain.pop("anyOf")[0]
    return plain

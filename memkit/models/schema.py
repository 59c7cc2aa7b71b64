"""The part of JSON Schema that memkit's shapes are written in, and what of a value does not meet it.

A schema with anything else in it is refused: a rule that is not looked at would be worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from memkit.values import Json

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
NOTES = frozenset({"title", "description"})  # for the model to read; they rule nothing
RULES = frozenset({"type", "properties", "required", "items", "enum", "minimum", "maximum", "additionalProperties"})


def check_schema(schema: object, place: str = "the schema") -> None:
    """Raise ValueError unless every word of the schema is understood: type (one or several), properties, required, items,
    enum, minimum, maximum, additionalProperties (true or false), title, description."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"{place} must be an object, not {type(schema).__name__}")
    strange = sorted(map(str, schema.keys() - RULES - NOTES))
    if strange:
        raise ValueError(f"{place} has {', '.join(strange)}; shapes may use {', '.join(sorted(RULES | NOTES))}")
    for name in _types(schema):
        if name not in TYPES:
            raise ValueError(f"{place} has the type {name!r}; there are {', '.join(TYPES)}")
    for bound in ("minimum", "maximum"):
        limit = schema.get(bound, 0)
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise ValueError(f"{place}: {bound} must be a number")
    if "enum" in schema and not isinstance(schema["enum"], list | tuple):
        raise ValueError(f"{place}: enum must be a list")
    if not isinstance(schema.get("additionalProperties", True), bool):
        raise ValueError(f"{place}: additionalProperties must be true or false")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise ValueError(f"{place}: properties must be an object")
    required = schema.get("required", ())
    if not isinstance(required, list | tuple):
        raise ValueError(f"{place}: required must be a list")
    unknown = [name for name in required if name not in properties]
    if unknown:
        raise ValueError(f"{place} requires {', '.join(map(str, unknown))}, which is none of its properties")
    for name, part in properties.items():
        check_schema(part, f"{place}, at {name},")
    if "items" in schema:
        check_schema(schema["items"], f"{place}, at its items,")


def problems(value: Json, schema: Mapping[str, Json], place: str = "the value") -> Iterator[str]:
    """What of the value does not meet the schema, as sentences that tell a model how to put it right."""
    kinds = _types(schema)
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{place} must be of type {' or '.join(kinds)}, not {_kind(value)}"
        return
    allowed = schema.get("enum")
    if isinstance(allowed, list | tuple) and not any(_same(value, one) for one in allowed):
        yield f"{place} must be one of {', '.join(json.dumps(one, ensure_ascii=False) for one in allowed)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _out_of_bounds(value, schema, place)
    if isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from problems(item, items, f"{place}[{index}]" if place != "the value" else f"[{index}]")
    if isinstance(value, dict):
        yield from _members(value, schema, place)


def _members(value: dict[str, Json], schema: Mapping[str, Json], place: str) -> Iterator[str]:
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    for name in required if isinstance(required, list | tuple) else ():
        if name not in value:
            yield f"{place} lacks {json.dumps(name)}"
    for name, member in value.items():
        part = known.get(name)
        if isinstance(part, Mapping):
            yield from problems(member, part, name if place == "the value" else f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{place} may not have {json.dumps(name, ensure_ascii=False)}"


def _out_of_bounds(value: float, schema: Mapping[str, Json], place: str) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float) and value < least:
        yield f"{place} must be at least {least}"
    if isinstance(most, int | float) and value > most:
        yield f"{place} must be at most {most}"


def _types(schema: Mapping[str, Json]) -> tuple[str, ...]:
    told = schema.get("type", ())
    if isinstance(told, str):
        return (told,)
    return tuple(map(str, told)) if isinstance(told, list | tuple) else (str(told),)


def _is(value: Json, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[kind])


def _same(value: Json, other: Json) -> bool:
    """Equal as JSON: there, true is not 1."""
    return json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)


def _kind(value: Json) -> str:
    return next(
        kind for kind in ("null", "boolean", "integer", "number", "string", "array", "object") if _is(value, kind)
    )

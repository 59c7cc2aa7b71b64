"""The part of JSON Schema that shapes are written in."""

from __future__ import annotations

import pytest

from memkit.models.schema import check_schema, problems
from memkit.values import Json

THOUGHTS: dict[str, Json] = {
    "type": "object",
    "properties": {
        "thoughts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "description": "one sentence"},
                    "kind": {"enum": ["fact", "wish"]},
                    "weight": {"type": "number", "minimum": 0, "maximum": 1},
                    "turn": {"type": ["integer", "null"]},
                },
                "required": ["text", "kind"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["thoughts"],
}


def found(value: Json, schema: dict[str, Json] = THOUGHTS) -> list[str]:
    return list(problems(value, schema))


def test_a_value_that_meets_the_schema_has_no_problems() -> None:
    check_schema(THOUGHTS)
    assert found({"thoughts": [], "more": 1}) == []
    assert found({"thoughts": [{"text": "Ana moved", "kind": "fact", "weight": 1, "turn": None}]}) == []
    assert found({"thoughts": [{"text": "", "kind": "wish", "weight": 0.5, "turn": 3.0}]}) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], ["the value must be of type object, not array"]),
        ({}, ['the value lacks "thoughts"']),
        ({"thoughts": "none"}, ["thoughts must be of type array, not string"]),
        ({"thoughts": [{"kind": "fact"}]}, ['thoughts[0] lacks "text"']),
        ({"thoughts": [{"text": 1, "kind": "fact"}]}, ["thoughts[0].text must be of type string, not integer"]),
        ({"thoughts": [{"text": "", "kind": "x"}]}, ['thoughts[0].kind must be one of "fact", "wish"']),
        ({"thoughts": [{"text": "", "kind": "fact", "a": 1}]}, ['thoughts[0] may not have "a"']),
        ({"thoughts": [{"text": "", "kind": "fact", "weight": 2}]}, ["thoughts[0].weight must be at most 1"]),
        ({"thoughts": [{"text": "", "kind": "fact", "weight": -0.1}]}, ["thoughts[0].weight must be at least 0"]),
        (
            {"thoughts": [{"text": "", "kind": "fact", "turn": 1.5}]},
            ["thoughts[0].turn must be of type integer or null, not number"],
        ),
        (
            {"thoughts": [{"text": "", "kind": "fact", "weight": True}]},
            ["thoughts[0].weight must be of type number, not boolean"],
        ),
        (
            {"thoughts": [1, None]},
            ["thoughts[0] must be of type object, not integer", "thoughts[1] must be of type object, not null"],
        ),
    ],
)
def test_every_problem_is_told_with_its_place(value: Json, told: list[str]) -> None:
    assert found(value) == told


def test_true_is_not_one() -> None:
    assert found(True, {"enum": [1]}) == ["the value must be one of 1"]
    assert found(1, {"enum": [1, "a"]}) == []
    assert found(True, {"type": "integer"}) == ["the value must be of type integer, not boolean"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "pattern": "a+"}, "has pattern; shapes may use"),
        ({"anyOf": []}, "has anyOf"),
        ({"type": "text"}, "has the type 'text'; there are object, array"),
        ({"type": "object", "properties": {"a": {"minLength": 1}}}, "at a, has minLength"),
        ({"type": "array", "items": {"$ref": "#"}}, r"at its items, has \$ref"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "requires a, which is none of its properties"),
        ({"required": 5}, "required must be a list"),
        ({"minimum": "0"}, "minimum must be a number"),
        ({"enum": "ab"}, "enum must be a list"),
        ({"additionalProperties": {"type": "string"}}, "additionalProperties must be true or false"),
        ({"properties": []}, "properties must be an object"),
        ("string", "must be an object, not str"),
    ],
    ids=str,
)
def test_a_rule_that_is_not_known_is_refused(schema: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_schema(schema)

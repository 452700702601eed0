"""The server's own description of its API, `openapi.json`, as something to hold answers against."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import server
from tests.contract.client import Answer

OPENAPI = Path(server.__file__).with_name("openapi.json")
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


class Description:
    """An OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path)
            for path in sorted(document["paths"], key=lambda path: path.count("{"))
        ]

    @classmethod
    def read(cls) -> "Description":
        """Read the project's own."""
        return cls(json.loads(OPENAPI.read_text()))

    def operations(self) -> set[tuple[str, str]]:
        """Every method, in capitals, with its path."""
        return {
            (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method in METHODS.intersection(item)
        }

    def query_parameters(self) -> dict[tuple[str, str], frozenset[str]]:
        """Names of each operation's parameters in the query."""
        return {
            (method, path): frozenset(
                parameter["name"]
                for parameter in map(self._resolve, self.document["paths"][path][method.lower()].get("parameters", ()))
                if parameter["in"] == "query"
            )
            for method, path in self.operations()
        }

    def problems(self, method: str, target: str, answer: Answer) -> Iterator[str]:
        """Say in what an answer is not as described; requests to what is not described are not looked at."""
        _, path = self.template(method, target)
        operation = self.document["paths"].get(path, {}).get(method.lower())
        if operation is None:
            return
        response = self._resolve(operation["responses"].get(str(answer.status)))
        if response is None:
            yield f"status {answer.status} is not described"
            return
        for name, header in response.get("headers", {}).items():
            if self._resolve(header).get("required") and name.lower() not in answer.headers:
                yield f"the header {name} is missing"
        media = response["content"].get(answer.content_type)
        if media is None:
            yield f"Content-Type {answer.content_type} is not described"
        elif answer.content_type == "application/json":
            yield from self._invalid(media["schema"], json.loads(answer.body))

    def _invalid(self, schema: dict[str, Any], value: object) -> Iterator[str]:
        # References start at the document's root: the schema is put where they lead.
        validator = Draft202012Validator({"components": self.document["components"], "allOf": [schema]})
        for error in validator.iter_errors(value):
            yield f"{error.json_path}: {error.message[:300]}"

    def template(self, method: str, target: str) -> tuple[str, str]:
        """Return the method with the described path of a request's target; an empty path is none of them."""
        path = target.partition("?")[0]
        return method, next((template for pattern, template in self._paths if pattern.fullmatch(path)), "")

    def _resolve(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

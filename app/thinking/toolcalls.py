"""The calls of tools that a model on a server asks for, gathered from its stream and answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from app.core.errors import ParleyError

_MOST_CALLS = 8


class ToolBox(Protocol):
    """The tools on offer; ``app.thinking.tools`` is one."""

    def schemas(self) -> list[dict[str, Any]]:
        """The tools in the form of the OpenAI chat API."""
        ...

    def call(self, name: str, arguments_json: str, now: datetime) -> str:
        """Run one; raises ``ParleyError`` for a name or arguments that cannot be used."""
        ...


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class ToolCalls:
    """The calls of one answer. Servers send name and arguments in pieces, numbered by ``index``."""

    calls: dict[int, _Call] = field(default_factory=dict[int, _Call])

    def add(self, pieces: object) -> None:
        """Take in the ``tool_calls`` of a delta or message; what has no known form is passed over."""
        for place, piece in enumerate(pieces if isinstance(pieces, list) else []):
            if not isinstance(piece, dict):
                continue
            index = piece.get("index", place)
            if not isinstance(index, int) or len(self.calls) >= _MOST_CALLS:
                continue
            call = self.calls.setdefault(index, _Call())
            call.id = str(piece.get("id") or call.id)
            function = piece.get("function")
            if isinstance(function, dict):
                call.name += str(function.get("name") or "")
                call.arguments += str(function.get("arguments") or "")

    def answered(self, tools: ToolBox, now: datetime) -> list[dict[str, Any]]:
        """The messages that tell the model what came of its calls, mistakes included."""
        asked: list[dict[str, Any]] = []
        told: list[dict[str, Any]] = []
        for index, call in sorted(self.calls.items()):
            name = call.id or f"call_{index}"
            function = {"name": call.name, "arguments": call.arguments or "{}"}
            asked.append({"id": name, "type": "function", "function": function})
            try:
                answer = tools.call(call.name, call.arguments, now)
            except ParleyError as error:
                answer = str(error)
            told.append({"role": "tool", "tool_call_id": name, "content": answer})
        return [{"role": "assistant", "content": None, "tool_calls": asked}, *told]

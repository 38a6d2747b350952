"""History: roles alternate whatever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.conversation.history import History
from app.core.types import Role


@given(st.lists(st.tuples(st.text(min_size=1), st.text())), st.booleans())
def test_roles_alternate(exchanges: list[tuple[str, str]], system: bool) -> None:
    history = History()
    for user, reply in exchanges:
        history.add(user, reply)
    told = history.messages("system" if system else "", "last")
    roles = [message.role for message in told]
    assert roles[: int(system)] == [Role.SYSTEM] * int(system)
    talk = roles[int(system) :]
    assert talk == [Role.USER, Role.ASSISTANT] * (len(talk) // 2) + [Role.USER]
    answered = sum(1 for _, reply in exchanges if reply.strip())
    assert len(talk) == 2 * answered + 1

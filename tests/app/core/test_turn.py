"""Cancelling is seen from every thread and cannot be taken back."""

from __future__ import annotations

import threading

from app.core.turn import CancelToken, TurnId


def test_a_token_is_set_once_and_stays_set() -> None:
    token = CancelToken(TurnId(3))
    assert (token.turn, token.cancelled) == (3, False)
    thread = threading.Thread(target=token.cancel)
    thread.start()
    thread.join()
    token.cancel()
    assert token.cancelled

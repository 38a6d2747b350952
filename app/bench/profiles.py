"""How long the parts take: on this machine, or as they are reported to take on an RTX 4090.

The figures of the RTX 4090 are other people's, not measured by us: they tell what the same turn taking
would feel like there, no more.
"""

from __future__ import annotations

from app.core.events import ReplySound, ReplyText, WorkEvent

ASR_4090_S = 0.1
"""A Whisper on some seconds of speech: "< 100 ms on a strong GPU" (author of RealtimeSTT, issue 156)."""
LLM_FIRST_CLAUSE_4090_S = 0.12
"""An instruct model's first clause with its prompt cached: a budget, inside the usual 150 to 500 ms to the
first token only because nothing goes over a network."""
LLM_SENTENCE_4090_S = 0.15
"""Each further sentence: about 20 tokens at 130 a second."""
CSM_CONTEXT_4090_S = 0.025
"""The user's line with its sound: prefill takes 15 to 25 ms per 1000 positions, by arithmetic."""
CSM_FIRST_4090_S = 0.156
"""First sound: what faster-qwen3-tts, a smaller model of the same build, reports on this card."""
CSM_FRAME_4090_S = 0.28 * 0.08
"""Each further 80 ms frame: real-time factor 0.28, the best that is reported for csm-1b (csm-streaming)."""

PROFILES = ("measured", "rtx4090")


def rtx4090(worker: str, made: WorkEvent | None, before: int, _measured_s: float) -> float:
    """A ``Profile`` of ``app.conversation.simulation``; the same on every machine."""
    if worker == "transcribe":
        return ASR_4090_S if before == 0 and made is not None else 0.0
    if isinstance(made, ReplyText):
        return LLM_SENTENCE_4090_S if before else LLM_FIRST_CLAUSE_4090_S
    if isinstance(made, ReplySound):
        return CSM_FRAME_4090_S if before else CSM_FIRST_4090_S
    if worker == "speak" and made is None and before == 0:
        return CSM_CONTEXT_4090_S
    return 0.0

"""A whole engine of a few thousand random weights, for tests of the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from engine.config import tiny
from engine.csm.model import CsmModel
from engine.csm.tokenizer import BOS, EOS, TextTokenizer
from engine.generator import Conversation, SpeechEngine
from engine.mimi.codec import MimiCodec
from engine.types import CodeArray, Sampling, Segment, Voice

GREEDY = Sampling(temperature=0.0)
LINE = "This is a line."


def tiny_engine(seed: int = 0, sampling: Sampling = GREEDY) -> SpeechEngine:
    """An engine with the tiny shapes; its speech is noise, its rules are the real ones."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CsmModel(tiny()).eval()
        codec = MimiCodec(tiny().mimi, "cpu")
        modules: Any = codec.model.modules()
        for quantiser in modules:
            if hasattr(quantiser, "embedding_sum"):
                quantiser.embedding_sum.normal_()
                quantiser.cluster_usage.fill_(1.0)
        _listen_well(codec.model)
    return SpeechEngine(model, codec, byte_tokenizer(), sampling)


def _listen_well(codec: nn.Module) -> None:
    """As a module is made, its weights are so small that all sound has the same codes."""
    with torch.no_grad():
        for name, value in codec.named_parameters():
            if name.startswith(("encoder.", "downsample.")) and value.dim() == 1:
                value.zero_()
            elif name.startswith(("encoder.", "downsample.")) and value.dim() == 3:
                value.normal_(0, 1.5 / value[0].numel() ** 0.5)
            elif "input_proj" in name:
                value.normal_(0, 1 / value[0].numel() ** 0.5)


def byte_tokenizer() -> TextTokenizer:
    """Bytes and the two control tokens: 258 ids."""
    vocab = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.add_special_tokens([AddedToken(BOS, special=True), AddedToken(EOS, special=True)])
    return TextTokenizer(tokenizer)


def tiny_segment(frames: int, speaker: int = 1, text: str = "Hello.", seed: int = 0) -> Segment:
    """A segment of random codes that never holds an EOS frame."""
    codes = np.random.default_rng(seed).integers(1, 32, (frames, 4))
    return Segment(speaker, text, codes=codes.astype(np.int64))


def tiny_voice(frames: int = 10) -> Voice:
    """A voice whose prompt is random codes."""
    return Voice("tiny", tiny_segment(frames, speaker=0, text="I am the voice.", seed=99))


def spoken(conversation: Conversation, text: str = LINE) -> CodeArray:
    """Say ``text``; the codes (T, K) that came into the conversation by it."""
    before = len(conversation.history)
    for _ in conversation.speak(text):
        pass
    return np.concatenate([segment.codes for segment in conversation.history[before:]])


def cached_keys(conversation: Conversation) -> Tensor:
    """The keys of every position in the cache of a conversation."""
    return conversation._decoder.save(0, conversation.positions).keys

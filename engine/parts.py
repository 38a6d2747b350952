"""What a speech engine is made of, and how texts, sounds and voices are made ready for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from engine.csm import prompt
from engine.csm.prompt import Prepared
from engine.csm.tokenizer import TextTokenizer
from engine.normalise import speakable
from engine.types import Sampling, Segment, Voice
from engine.voice_store import VoiceStore, fingerprint
from engine.voices import Voices

if TYPE_CHECKING:
    from engine.config import CsmConfig
    from engine.csm.model import CsmModel
    from engine.mimi.codec import MimiCodec

SOMEBODY = 2
"""The speaker number of lines in a voice that was exchanged; the user's is 1."""


class EngineParts:
    """Network, codec and tokenizer of one model, and the voices made ready with them."""

    def __init__(
        self, model: CsmModel, codec: MimiCodec, tokenizer: TextTokenizer, sampling: Sampling
    ) -> None:
        self.model, self.codec, self.tokenizer, self.sampling = model, codec, tokenizer, sampling
        self.voices = Voices(self.prepare, self.window)

    @property
    def config(self) -> CsmConfig:
        """The model's sizes."""
        return self.model.config

    @property
    def window(self) -> int:
        """Positions that a conversation has, its voice included."""
        return self.config.backbone.max_positions

    @property
    def sample_rate_hz(self) -> int:
        """Rate of all sound that goes in and comes out (24 000)."""
        return self.config.mimi.sample_rate_hz

    @property
    def frame_samples(self) -> int:
        """Samples of one frame (1920, 80 ms)."""
        return self.config.mimi.frame_samples

    def prepare(self, segment: Segment) -> Prepared:
        """Tokenise a segment's text and encode its sound (codes are taken as they are)."""
        text = speakable(segment.text)
        if segment.codes is not None:
            codes = segment.codes
        elif segment.audio is not None:
            codes = self.codec.encode(segment.audio)
        else:
            codes = prompt.no_codes(self.config.codebooks)
        return Prepared(tuple(self.tokenizer.encode(segment.speaker, text)), codes)

    def prepare_voice(self, voice: Voice) -> Prepared:
        """``prepare`` for a voice prompt, encoded once per voice object."""
        return self.voices.line(voice)

    def of_somebody(self, line: Prepared, speaker: int) -> Prepared:
        """A line of ``speaker`` as one of ``SOMEBODY``; any other line as it is."""
        ours, theirs = (self.tokenizer.encode(number, "A") for number in (speaker, SOMEBODY))
        return prompt.renumbered(line, ours, theirs)

    def keep_voices(self, folder: Path, name: str) -> None:
        """Keep voices made ready in a folder from now on; ``name`` tells files and precision."""
        state = [*self.model.state_dict().items(), *self.codec.model.state_dict().items()]
        tensors = [(name, value) for name, value in state if isinstance(value, Tensor)]
        model = fingerprint(tensors, name, self.model.device.type)
        self.voices = Voices(self.prepare, self.window, VoiceStore(folder, model, self.config))

"""What the mark says, and the key's noise that says it.

The mark is a sum of five sequences of ±1, each as long as ``PERIOD``, drawn from the key by
SHAKE-256: one by which the mark is found, and four that carry a byte each by how far they are
rotated. Whoever does not have the key sees five independent coin tosses for every sample.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.errors import EngineError
from engine.types import FloatArray

PERIOD: Final = 32_768
"""Samples at 24 kHz after which the mark repeats, 1.4 s: any piece of that length holds all of it."""
KEY_BYTES: Final = 32
VERSION: Final = 1
SYMBOLS: Final = 4
"""Bytes of the payload, each on a sequence of its own."""
STEP: Final = PERIOD // 256
"""Samples of rotation from one value of a byte to the next."""
_FIND_SHARE: Final = 0.6
"""Share of the mark's power in the sequence that it is found by."""
_POLYNOMIAL: Final = 0x07  # CRC-8 of ITU-T I.432.1, without its final constant


class WatermarkKeyError(EngineError):
    """A key that is none."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a mark carries: 32 bits, the last eight of them a check of the others."""

    version: int
    """Of the way of marking, 0 to 15."""
    key_id: int
    """Twenty bits that name the key without telling it."""

    def to_bytes(self) -> bytes:
        """The four bytes."""
        head = (self.version << 20 | self.key_id).to_bytes(3, "big")
        return head + bytes([_check(head)])

    @staticmethod
    def from_bytes(data: bytes) -> Payload | None:
        """The payload in four bytes; None when the check says that they were misread."""
        if len(data) != SYMBOLS or _check(data[:3]) != data[3]:
            return None
        number = int.from_bytes(data[:3], "big")
        return Payload(number >> 20, number & 0xF_FFFF)


def payload_of(key: bytes) -> Payload:
    """What marks with this key say.

    Raises:
        WatermarkKeyError: when it has not ``KEY_BYTES`` bytes.
    """
    digest = hashlib.sha256(b"parley watermark name\0" + _checked(key)).digest()
    return Payload(VERSION, int.from_bytes(digest[:3], "big") >> 4)


@functools.lru_cache(maxsize=8)
def sequences(key: bytes) -> FloatArray:
    """The key's sequences of ±1 (1 + SYMBOLS, PERIOD): for finding, then for each byte.

    Raises:
        WatermarkKeyError: when the key has not ``KEY_BYTES`` bytes.
    """
    count = (1 + SYMBOLS) * PERIOD
    noise = hashlib.shake_256(b"parley watermark noise\0" + _checked(key)).digest(count // 8)
    bits = np.unpackbits(np.frombuffer(noise, np.uint8)).reshape(1 + SYMBOLS, PERIOD)
    signs = (1.0 - 2.0 * bits).astype(np.float32)
    signs.setflags(write=False)
    return signs


@functools.lru_cache(maxsize=8)
def mark_of(key: bytes) -> FloatArray:
    """One period of the mark (PERIOD,), white, of power 1, before it is fitted to the speech.

    Raises:
        WatermarkKeyError: when the key has not ``KEY_BYTES`` bytes.
    """
    find, *carriers = sequences(key)
    mark = np.sqrt(_FIND_SHARE) * find
    for carrier, value in zip(carriers, payload_of(key).to_bytes(), strict=True):
        mark = mark + np.sqrt((1 - _FIND_SHARE) / SYMBOLS) * np.roll(carrier, value * STEP)
    made = np.asarray(mark, np.float32)
    made.setflags(write=False)
    return made


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise WatermarkKeyError(
            f"A watermark key has {KEY_BYTES} bytes and this one has {len(key)}: "
            "give the file that Parley made."
        )
    return key


def _check(data: bytes) -> int:
    """CRC-8, which finds every single wrong byte and all but one in 256 of other damage."""
    remainder = 0
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ (_POLYNOMIAL if remainder & 0x80 else 0)) & 0xFF
    return remainder

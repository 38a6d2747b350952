"""How loud noise may be that speech hides: the usual simple model, and the mark's place under it.

Power by Bark band, spread over the neighbouring bands, less an offset (Johnston, IEEE J. Sel. Areas
Commun. 6, 1988). The offsets are wide of his, so that the mark stays well below what he calls
audible: the low bands hold speech's own harmonics, between which noise is heard first.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import FloatArray

RATE_HZ: Final = 24_000
_OFFSETS_DB: Final = (
    (0.0, 38.0),
    (1_000.0, 31.0),
    (2_000.0, 26.0),
    (3_500.0, 23.0),
    (5_000.0, 24.5),
    (7_000.0, 28.0),
    (9_000.0, 31.0),
    (12_000.0, 33.0),
)
"""By frequency in Hz: how far the mark stays under the spread power of the speech."""
_BELOW_DB, _ABOVE_DB = 25.0, 10.0
"""How fast masking falls off, per Bark, below and above what masks."""


@dataclass(frozen=True, slots=True, eq=False)
class Masking:
    """The model for spectra of one length."""

    to_bands: FloatArray
    """Power by bin to the mark's power, per bin, by band: (bins, bands)."""
    to_bins: FloatArray
    """Amplitude by band to amplitude by bin: (bands, bins)."""

    def level(self, power: FloatArray) -> FloatArray:
        """The mark's amplitude by bin under speech with this power: both (T, bins)."""
        levels: FloatArray = np.sqrt(power @ self.to_bands) @ self.to_bins
        return levels


@functools.cache
def masking(length: int) -> Masking:
    """The model for spectra of ``length`` samples at ``RATE_HZ``."""
    hz = np.asarray(np.fft.rfftfreq(length, 1 / RATE_HZ), np.float64)
    bark = bark_of(hz)
    centres = np.arange(0.5, bark[-1])
    shares = np.maximum(0.0, 1 - np.abs(bark[:, None] - centres))
    distance = centres[None, :] - centres[:, None]
    spread_db = np.where(distance > 0, _ABOVE_DB, _BELOW_DB) * np.abs(distance)
    offset_db = np.interp(np.interp(centres, bark, hz), *np.array(_OFFSETS_DB).T)
    to_bands = shares / shares.sum(axis=0) @ 10 ** (-(spread_db + offset_db) / 10)
    inside = np.clip(bark[None, :], centres[0], centres[-1])
    to_bins = np.maximum(0.0, 1 - np.abs(inside - centres[:, None]))
    return Masking(to_bands.astype(np.float32), to_bins.astype(np.float32))


def bark_of(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The critical band rate of frequencies in Hz, in Bark (Traunmüller, JASA 88, 1990)."""
    return np.maximum(0.0, 26.81 * hz / (1960 + hz) - 0.53)

"""The stage of the real bench: the models that the assistant itself runs, in virtual rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.audio.chime import chime
from app.audio.room import room
from app.audio.virtual import VirtualDevice
from app.bench.profiles import rtx4090
from app.bench.sets import Scene
from app.compose_live import Brains, live_parts
from app.conversation.policy import Policy
from app.conversation.simulation import Profile, Simulation, as_measured
from app.core.clock import SystemClock
from app.core.live_ports import EchoCanceller
from app.core.types import FloatArray
from app.recording.recorder import DiskRecorder, Queues
from app.recording.session import About

PROFILES: dict[str, Profile] = {"measured": as_measured, "rtx4090": rtx4090}


@dataclass(frozen=True, slots=True)
class LiveStage:
    """A ``Stage``. The models are loaded once; everything that has a memory is made anew."""

    brains: Brains
    policy: Policy
    make_echo: Callable[[], EchoCanceller]
    profile: Profile
    chime: bool = True
    """Each conversation is the first with its devices, so it is greeted like one."""

    def simulation(
        self, scene: Scene, *, keep_s: float | None = None, record: Path | None = None
    ) -> Simulation:
        """A fresh conversation in the scene's room with its background noise, perhaps recorded."""
        device = virtual_device(scene, keep_s)
        recorder = record and DiskRecorder(
            record, About(), SystemClock(), lambda _: None, queues=Queues(threaded=False)
        )
        parts = live_parts(
            self.brains, self.make_echo(), self.policy, SystemClock(), scene.seed % (1 << 16)
        )
        if self.chime:
            device.player.write(chime())
        return Simulation(parts, device, self.profile, recorder)

    def recognise(self, at_16k: FloatArray) -> str:
        """The assistant's own recogniser: it knows the voice that it listens to here."""
        return self.brains.recogniser.transcribe(at_16k)


def virtual_device(scene: Scene, keep_s: float | None = None) -> VirtualDevice:
    """The sound device of a scene."""
    there = room(scene.room, scene.level_db, scene.seed) if scene.room else None
    device = VirtualDevice(room=there, keep_s=keep_s, seed=scene.seed)
    device.noise(scene.noise, scene.noise_db)
    return device

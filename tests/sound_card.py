"""A sound card that exists only while a test runs: a private PulseAudio with a microphone and a
loudspeaker that lead nowhere.

What a test plays into ``feed`` arrives at the microphone; what a program plays on the loudspeaker
can be recorded. Nothing of the machine's own sound is touched, and no session bus is needed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 24_000
_READY_S = 20.0

_SETUP = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink sink_name=speaker rate=24000 channels=1 sink_properties=device.description=Speaker
load-module module-null-sink sink_name=micfeed rate=24000 channels=1 sink_properties=device.description=Feed
load-module module-remap-source source_name=mic master=micfeed.monitor source_properties=device.description=Mic
set-default-sink speaker
set-default-source mic
"""
_ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


def missing() -> str:
    """Why there can be no virtual sound card here; '' when there can."""
    programs = [name for name in ("pulseaudio", "pactl", "pacat") if not shutil.which(name)]
    if programs:
        return f"{', '.join(programs)} not installed (apt-get install pulseaudio pulseaudio-utils)"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA's way to PulseAudio is not installed (apt-get install libasound2-plugins)"
    return ""


class SoundCard:
    """The server and its programs. Made by ``sound_card``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self._programs: list[subprocess.Popen[bytes]] = []
        (folder / "asound.conf").write_text(_ALSA)
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "HOME": str(folder),
        }

    def start(self) -> None:
        """Plug it in."""
        setup = self._folder / "setup.pa"
        setup.write_text(_SETUP.format(folder=self._folder))
        self._server = self._run(
            "pulseaudio", "-n", "-F", str(setup), "--exit-idle-time=-1", "--disable-shm=yes",
            "--use-pid-file=no", "--realtime=no", "--high-priority=no", "--daemonize=no",
        )  # fmt: skip
        wait_for(lambda: "mic" in self.control("list", "short", "sources"), "the sound server")
        # A sink without a client that is in a hurry sleeps for two seconds at a time.
        for sink in ("speaker", "micfeed"):
            with Path("/dev/zero").open("rb") as silence:
                command = ("pacat", "--playback", "-d", sink, *_RAW, "--latency-msec=20")
                self._programs.append(self._run(*command, stdin=silence.fileno()))

    def stop(self) -> None:
        """Pull it out, at once and without a word."""
        for process in [*self._programs, *([self._server] if self._server else [])]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
        self._programs.clear()
        self._server = None
        (self._folder / "native").unlink(missing_ok=True)

    def control(self, *words: str) -> str:
        """Run ``pactl`` and give what it prints; '' when it fails."""
        done = subprocess.run(
            ["pactl", *words], env=self._env(), capture_output=True, text=True, timeout=_READY_S
        )
        return done.stdout if done.returncode == 0 else ""

    def feed(self, sound: npt.NDArray[np.float32]) -> None:
        """Play (N,) at 24 kHz to the microphone; returns when all of it was taken."""
        data = _pcm(sound)
        subprocess.run(
            ["pacat", "--playback", "-d", "micfeed", *_RAW],
            input=data, env=self._env(), check=True, timeout=_READY_S + 2 * len(sound) / RATE_HZ,
            capture_output=True,
        )  # fmt: skip

    @contextlib.contextmanager
    def recording(self) -> Generator[Recording]:
        """Record what the loudspeaker plays."""
        path = self._folder / f"recording-{time.monotonic_ns()}.raw"
        with path.open("wb") as file:
            process = self._run(
                "parec", "-d", "speaker.monitor", *_RAW, "--latency-msec=20", stdout=file.fileno()
            )
            recording = Recording(path)
            wait_for(lambda: len(recording.sound()) > 0, "the recorder")
            try:
                yield recording
            finally:
                process.terminate()
                process.wait()

    def _run(
        self, *command: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        log = self._folder / f"{command[0]}.log"
        with log.open("ab") as errors:
            return subprocess.Popen(
                command, env=self._env(), stdin=stdin, stdout=stdout, stderr=errors
            )

    def _env(self) -> Mapping[str, str]:
        return {**os.environ, **self.environment}


class Recording:
    """What the loudspeaker has played since the recording began."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sound(self) -> npt.NDArray[np.float32]:
        """(N,) at 24 kHz, so far."""
        data = self._path.read_bytes()
        samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
        return samples.astype(np.float32) / 32768.0


def wait_for(ready: Callable[[], bool], what: str, limit_s: float = _READY_S) -> None:
    """Look again and again until it is so; a test that waits in vain fails with ``what``."""
    end_s = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {limit_s:g} s in vain for {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def sound_card() -> Generator[SoundCard]:
    """A running card, and this process's sound led to it; all of it gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="parley-card-"))
    card = SoundCard(folder)
    before = {name: os.environ.get(name) for name in card.environment}
    try:
        card.start()
        os.environ.update({k: v for k, v in card.environment.items() if k != "HOME"})
        yield card
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        card.stop()
        shutil.rmtree(folder, ignore_errors=True)


_RAW = ("--raw", f"--rate={RATE_HZ}", "--channels=1", "--format=s16le")


def _pcm(sound: npt.NDArray[np.float32]) -> bytes:
    return np.rint(np.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()

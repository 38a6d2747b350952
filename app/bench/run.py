"""Lets the items happen, one fresh conversation each, and has them judged."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.audio.virtual import OUTPUT_LATENCY_S
from app.bench import texts
from app.bench.memory import resident_mb
from app.bench.noises import NOISES, noise
from app.bench.recorded import off_samples
from app.bench.score import Marks, heard_words, marks
from app.bench.sets import Item, Kind, Phrase, Scene
from app.bench.stage import Stage, Watched
from app.bench.take import AUDIBLE, Loud, Said, Take
from app.bench.voices import Users
from app.core.events import Typed
from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import LISTEN_RATE_HZ, FloatArray

_SETTLE_S = 0.9
"""The sound that greets is over then."""
_ANSWER_S = 8.0
"""How long after the user's last word an answer is waited for."""
_FIRST_SOUND_S = 30.0
_LONGEST_REPLY_S = 60.0
_AFTER_S = 0.4
_BARGE_S = 1.6
"""How long after an interruption it is waited for its effect."""
_ATTEMPTS = 3
_LEAST_S = 0.06
_BACK_S = 1.5
_MATCHING = 0.8
_KEPT_S = 90.0
_ROOM_BYTES = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Performer:
    """Plays items on a stage with given voices."""

    stage: Stage
    users: Users

    def perform(self, item: Item) -> list[tuple[Kind, Marks]]:
        """Let it happen; the marks by kind (several for a soak, else one)."""
        if item.kind is Kind.SOAK:
            return [*self._soak(item)]
        return [(item.kind, marks(self.take(item)))]

    def take(self, item: Item) -> Take:
        """One item in a conversation of its own; tried again when the answer was too short for it."""
        take = self._attempt(item)
        for attempt in range(1, _ATTEMPTS):
            if not take.void:
                break
            scene = replace(item.scene, seed=item.scene.seed + attempt)
            take = self._attempt(replace(item, delay_s=item.delay_s / 2**attempt, scene=scene))
        return take

    def _attempt(self, item: Item) -> Take:
        simulation = self.stage.simulation(item.scene)
        try:
            watched = Watched(simulation)
            watched.run(_SETTLE_S)
            watched.begin()
            return self.play(item, watched)
        finally:
            simulation.close()

    def play(self, item: Item, watched: Watched) -> Take:
        """One item in a conversation that is going on."""
        match item.kind:
            case Kind.TURN:
                return self._turn(item, watched)
            case Kind.INTERRUPTION | Kind.MURMUR | Kind.NOISE:
                return self._over_answer(item, watched)
            case Kind.ECHO:
                if not self._make_speak(item, watched):
                    return self._silent(item, watched)
                watched.until(lambda: watched.count("turn") > 0, _LONGEST_REPLY_S)
                return self._taken(item, watched, ())
            case _:
                return self._quiet(item, watched)

    def _turn(self, item: Item, watched: Watched) -> Take:
        said = self._say(item, watched)
        end_s = said[-1].end_s
        watched.until(lambda: watched.now_s >= end_s, 60.0)

        def answered() -> bool:
            sound = watched.latest("first_sound")
            return sound is not None and sound["at_s"] > end_s

        watched.until(answered, _ANSWER_S)
        watched.run(_AFTER_S)
        return self._taken(item, watched, said)

    def _over_answer(self, item: Item, watched: Watched) -> Take:
        """Something is heard while the assistant speaks."""
        if not self._make_speak(item, watched):
            return self._silent(item, watched)
        said = self._noise(item, watched) if item.kind is Kind.NOISE else self._say(item, watched)
        watched.until(lambda: watched.now_s >= said[0].start_s, 10.0)
        if watched.count("turn") or watched.now_s - _last_sound_s(watched) > _AFTER_S:
            return replace(self._taken(item, watched, said), void=True)
        watched.user_silent = False
        if item.kind is Kind.INTERRUPTION:
            over_s = said[-1].end_s + _BARGE_S
            # A cut in mid-word is enough: what comes after is another item's business.
            watched.until(
                lambda: watched.count("cut") > 0 or watched.count("turn") > 0,
                over_s - watched.now_s,
            )
            over = watched.count("finish") > 0 and _finished_before(watched, said[0].start_s + 0.5)
            watched.run(_AFTER_S)
            return replace(self._taken(item, watched, said), void=over)
        watched.until(lambda: watched.count("turn") > 0, _LONGEST_REPLY_S)
        void = _finished_before(watched, said[0].end_s)
        watched.run(_AFTER_S)
        return replace(self._taken(item, watched, said), void=void)

    def _silent(self, item: Item, watched: Watched) -> Take:
        """The assistant was asked to speak and did not."""
        extra = {"no_answer": 1.0}
        return replace(self._taken(item, watched, ()), void=True, extra=extra)

    def _quiet(self, item: Item, watched: Watched) -> Take:
        said = self._noise(item, watched) if item.sound else ()
        watched.run(item.seconds)
        return self._taken(item, watched, said)

    # ------------------------------------------------------------------------- what users do

    def _make_speak(self, item: Item, watched: Watched) -> bool:
        """Type something and wait for the first sound of the answer."""
        watched.simulation.tell(Typed(watched.now_s, item.prompt))
        return watched.until(lambda: watched.count("first_sound") > 0, _FIRST_SOUND_S)

    def _say(self, item: Item, watched: Watched) -> tuple[Said, ...]:
        """Have all phrases said at their exact times."""
        at_s = watched.now_s + item.delay_s
        said: list[Said] = []
        for phrase in item.phrases:
            samples = self.users.say(phrase.text, item.voice)
            start_s = round((at_s + phrase.pause_s) * SESSION_RATE_HZ) / SESSION_RATE_HZ
            at_s = watched.device.say(samples, start_s, item.gain_db)
            said.append(Said(phrase.text, start_s, at_s))
        return tuple(said)

    def _noise(self, item: Item, watched: Watched) -> tuple[Said, ...]:
        start_s = watched.now_s + item.delay_s
        end_s = watched.device.say(noise(item.sound, item.scene.seed), start_s, item.gain_db)
        return (Said("", start_s, end_s),)

    # --------------------------------------------------------------------- what was observed

    def _taken(self, item: Item, watched: Watched, said: tuple[Said, ...]) -> Take:
        log = watched.log
        played = watched.device.played(watched.start_s, watched.now_s)
        take = Take(
            item,
            watched.start_s,
            watched.now_s,
            log,
            said,
            Loud.of(played, watched.start_s),
            watched.near_energy,
            watched.clean_energy,
            underruns=watched.underruns,
        )
        cut, over = take.first("cut"), take.first("turn")
        if item.kind is Kind.INTERRUPTION and cut and over and over["reply_text"]:
            text = self._listen(watched.device.played(watched.start_s, cut["at_s"] + 0.1))
            take = replace(take, heard_words=heard_words(str(over["reply_text"]), text))
        return replace(take, repeated_s=_repeated_s(take, played))

    def _listen(self, at_48k: FloatArray) -> str:
        """What is understood of what was played."""
        import soxr

        loud = np.flatnonzero(np.abs(at_48k) > AUDIBLE)
        if not len(loud):
            return ""
        at_48k = at_48k[loud[0] : loud[-1] + 1]
        quiet = np.zeros(LISTEN_RATE_HZ // 4, np.float32)
        at_16k = soxr.resample(at_48k, SESSION_RATE_HZ, LISTEN_RATE_HZ)
        return self.stage.recognise(np.concatenate([quiet, at_16k, quiet]))

    # --------------------------------------------------------------------------- the long run

    def _soak(self, item: Item) -> Iterator[tuple[Kind, Marks]]:
        """Everything in turn in one recorded conversation, with the memory measured along the way."""
        with tempfile.TemporaryDirectory(prefix="parley-soak-") as folder:
            # An hour is a gigabyte.
            roomy = shutil.disk_usage(folder).free > _ROOM_BYTES * item.seconds / 3600
            record = Path(folder) if roomy else None
            scene = replace(item.scene, room="desk")
            simulation = self.stage.simulation(scene, keep_s=_KEPT_S, record=record)
            rng = random.Random(f"{item.scene.seed} soak")
            watched = Watched(simulation)
            begun_mb: float | None = None
            number = 0
            try:
                while watched.now_s < item.seconds:
                    watched.begin()
                    part = _part(item, number, rng)
                    number += 1
                    yield part.kind, marks(self.play(part, watched))
                    watched.until(lambda: simulation.log[-1]["kind"] in ("turn", "drop"), 15.0)
                    watched.run(rng.uniform(1.0, 6.0))
                    if begun_mb is None and watched.now_s > item.seconds / 12:
                        begun_mb = resident_mb()
                now_mb = resident_mb()
            finally:
                simulation.close()
            extra: dict[str, float] = {}
            if begun_mb is not None and now_mb is not None:
                extra["memory_growth_mb"] = now_mb - begun_mb
            for wav in Path(folder).glob("*/*.wav"):
                off = off_samples(wav, simulation.device, watched.now_s, OUTPUT_LATENCY_S)
                if off is not None:
                    extra["recorder_off_samples"] = off
            silent = Loud(0.0, np.zeros(0, np.float32))
            whole = Take(item, 0.0, watched.now_s, simulation.log, (), silent, extra=extra)
            yield Kind.SOAK, marks(whole)


def _part(item: Item, number: int, rng: random.Random) -> Item:
    """The next thing that happens in a soak: mostly turns."""
    kinds = [Kind.TURN] * 5 + [Kind.INTERRUPTION, Kind.MURMUR, Kind.NOISE, Kind.ECHO, Kind.QUIET]
    kind = rng.choice(kinds)
    pools = {
        Kind.TURN: texts.QUESTIONS,
        Kind.INTERRUPTION: texts.INTERRUPTIONS,
        Kind.MURMUR: texts.MURMURS,
    }
    phrases = (Phrase(rng.choice(pools[kind])),) if kind in pools else ()
    return Item(
        item.set,
        kind,
        number,
        Scene(rng.randrange(1 << 30)),
        voice=rng.randrange(4),
        gain_db=-20.0 if kind is Kind.NOISE else 0.0,
        phrases=phrases,
        prompt="" if kind is Kind.TURN else rng.choice(texts.LONG_PROMPTS),
        delay_s=rng.uniform(0.5, 2.0),
        sound=rng.choice(NOISES) if kind is Kind.NOISE else "",
        seconds=10.0 if kind is Kind.QUIET else 0.0,
    )


def _last_sound_s(watched: Watched) -> float:
    """When the loudspeaker was heard last, up to now."""
    now_s = watched.now_s
    loud = Loud.of(watched.device.played(now_s - 1.0, now_s), now_s - 1.0)
    return loud.last_s(now_s - 1.0, now_s) or now_s - 1.0


def _finished_before(watched: Watched, moment_s: float) -> bool:
    over = watched.latest("finish")
    return over is not None and over["at_s"] < moment_s


def _repeated_s(take: Take, played: FloatArray) -> float | None:
    """How much of what came before the first pause was played again after it, by comparing samples."""
    pause = take.first("pause")
    resume = take.first("resume", since_s=pause["at_s"]) if pause else None
    if pause is None or resume is None:
        return None
    stop_s = take.loud.last_s(take.start_s, pause["at_s"] + 0.15)
    again_s = take.loud.first_s(resume["at_s"])
    if stop_s is None or again_s is None:
        return None
    before = _piece(take, played, stop_s - _BACK_S, stop_s)
    after = _piece(take, played, again_s, again_s + _BACK_S)
    return repeated_s(before, after)


def _piece(take: Take, played: FloatArray, start_s: float, end_s: float) -> FloatArray:
    first = max(0, round((start_s - take.start_s) * SESSION_RATE_HZ))
    return played[first : max(first, round((end_s - take.start_s) * SESSION_RATE_HZ))]


def repeated_s(before: FloatArray, after: FloatArray) -> float | None:
    """For how long the beginning of ``after`` is the end of ``before``; None where it is not.

    Every length is tried over its whole overlap, so that a vowel that is like itself one period
    on is no match. Fades and levels do not count. Among the lengths the likeliest counts: for likeness r over
    n samples of noise, -n log(1 - r^2).
    """
    count = min(len(before), len(after))
    if count == 0:
        return None
    end, begin = _level(before[-count:]), _level(after[:count])
    size = 1 << (2 * count).bit_length()
    # Convolved with the other turned round: place n - 1 pairs the last n with the first n.
    spectrum = np.fft.rfft(end[::-1], size) * np.fft.rfft(begin, size)
    products = np.fft.irfft(spectrum, size)[:count]
    lengths = np.arange(1, count + 1)
    energy = np.cumsum(end[::-1] ** 2) * np.cumsum(begin**2)
    likeness = products / np.sqrt(np.maximum(energy, 1e-12))
    weight = -lengths * np.log1p(-(np.clip(likeness, 0.0, 0.9999) ** 2))
    weight[: round(_LEAST_S * SESSION_RATE_HZ)] = 0.0
    best = int(weight.argmax())
    return float(lengths[best]) / SESSION_RATE_HZ if likeness[best] >= _MATCHING else None


def _level(sound: FloatArray) -> npt.NDArray[np.float64]:
    """``sound`` at the same level everywhere, by its mean over 10 ms; what is inaudible stays so."""
    span = SESSION_RATE_HZ // 100
    power = np.convolve(sound.astype(np.float64) ** 2, np.full(span, 1.0 / span), "same")
    return sound / np.sqrt(power + (AUDIBLE / 4) ** 2)


Perform = Callable[[Item], list[tuple[Kind, Marks]]]

"""The ten sets: what the user says and does, when, and in which room. Seeded, nothing is rendered here.

    E1  plain turns                         E6  cough, keyboard, door and music, no speech
    E2  pauses in the middle of a turn      E7  echo only: the assistant speaks, the user is silent
    E3  very short answers                  E8  interruptions with echo
    E4  interruptions                       E9  silence and the noise of rooms
    E5  listening aloud ("mhm")             E10 an hour of everything

Item ``n`` of a set is the same whatever number of items is asked for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from app.audio.noise import NoiseKind
from app.audio.room import LEVELS_DB, ROOMS
from app.bench import texts
from app.bench.noises import NOISES

DEFAULT_ITEMS = 60
"""A multiple of the twelve rooms and levels of E7."""
VOICES = 40
_QUIET_DB = -80.0
SOAK_S = 3600.0


class Kind(StrEnum):
    """What is done in an item, and so how it is judged."""

    TURN = "turn"
    """The user speaks, the assistant is to answer when the user has finished."""
    INTERRUPTION = "interruption"
    """The user speaks up during an answer and means it."""
    MURMUR = "murmur"
    """The user says "mhm" during an answer, which is to go on."""
    NOISE = "noise"
    """Something else is heard during an answer, which is to go on."""
    ECHO = "echo"
    """Nobody speaks during an answer."""
    QUIET = "quiet"
    """Nobody speaks at all."""
    SOAK = "soak"
    """Turns, interruptions, murmurs, noises and silences in turn."""


SETS: dict[str, tuple[Kind, str]] = {
    "E1": (Kind.TURN, "plain turns"),
    "E2": (Kind.TURN, "pauses in the middle of a turn"),
    "E3": (Kind.TURN, "very short answers"),
    "E4": (Kind.INTERRUPTION, "interruptions"),
    "E5": (Kind.MURMUR, "listening aloud"),
    "E6": (Kind.NOISE, "noises"),
    "E7": (Kind.ECHO, "echo only"),
    "E8": (Kind.INTERRUPTION, "interruptions with echo"),
    "E9": (Kind.QUIET, "silence and room noise"),
    "E10": (Kind.SOAK, "an hour of everything"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an item takes place. ``room`` None: headphones, no echo."""

    seed: int
    room: str | None = None
    level_db: float = -20.0
    noise: NoiseKind | None = None
    noise_db: float = -60.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words said in one breath, ``pause_s`` after the ones before."""

    text: str
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happens. ``number`` counts within its set."""

    set: str
    kind: Kind
    number: int
    scene: Scene
    voice: int = 0
    gain_db: float = 0.0
    phrases: tuple[Phrase, ...] = ()
    prompt: str = ""
    """What was typed to make the assistant speak."""
    delay_s: float = 0.0
    """From the first sound of the answer (or the beginning) to the user's first sound."""
    sound: str = ""
    """A noise of ``noises.NOISES``."""
    seconds: float = 0.0
    """How long a quiet item lasts."""

    @property
    def text(self) -> str:
        """All words of the user."""
        return " ".join(phrase.text for phrase in self.phrases)


def items(name: str, count: int = DEFAULT_ITEMS, seed: int = 0) -> list[Item]:
    """The first ``count`` items of a set.

    Raises:
        KeyError: for a name that is not in ``SETS``.
    """
    kind, _ = SETS[name]
    if kind is Kind.SOAK:
        count = 1
    return [_item(name, kind, number, seed) for number in range(count)]


def _item(name: str, kind: Kind, number: int, seed: int) -> Item:
    rng = random.Random(f"{seed} {name} {number}")
    noise: NoiseKind = rng.choice(("room", "pink"))
    scene = Scene(
        seed=rng.randrange(1 << 30), noise=noise, noise_db=round(rng.uniform(-75, -60), 1)
    )
    voice, gain_db = rng.randrange(VOICES), round(rng.uniform(-6, 3), 1)
    if kind is Kind.TURN:
        phrases = _TURNS[name](rng, number)
        delay_s = round(rng.uniform(0.5, 0.9), 3)
        return Item(name, kind, number, scene, voice, gain_db, phrases, delay_s=delay_s)
    if kind is Kind.SOAK:
        return Item(name, kind, number, scene, seconds=SOAK_S)
    if kind is Kind.QUIET:
        return _quiet(name, number, rng)
    prompt = texts.LONG_PROMPTS[number % len(texts.LONG_PROMPTS)]
    delay_s = round(rng.uniform(0.3, 3.0), 3)
    phrases, sound = (), ""
    if kind is Kind.INTERRUPTION:
        phrases = (Phrase(_turn_of(texts.INTERRUPTIONS, number)),)
    elif kind is Kind.MURMUR:
        phrases = (Phrase(_turn_of(texts.MURMURS, number)),)
    elif kind is Kind.NOISE:
        sound = NOISES[number % len(NOISES)]
        gain_db = round(rng.uniform(-24, -6), 1)
    if name in ("E7", "E8"):
        scene = Scene(
            scene.seed,
            ROOMS[number % len(ROOMS)],
            LEVELS_DB[number // len(ROOMS) % len(LEVELS_DB)],
            scene.noise,
            # A quiet room, so that what the canceller leaves is echo and not noise.
            _QUIET_DB if name == "E7" else scene.noise_db,
        )
    return Item(name, kind, number, scene, voice, gain_db, phrases, prompt, delay_s, sound)


def _turn_of(pool: tuple[str, ...], number: int) -> str:
    return pool[number % len(pool)]


def _plain(_rng: random.Random, number: int) -> tuple[Phrase, ...]:
    return (Phrase(_turn_of(texts.QUESTIONS, number)),)


def _with_pause(rng: random.Random, number: int) -> tuple[Phrase, ...]:
    first, second = texts.BROKEN[number % len(texts.BROKEN)]
    return (Phrase(first), Phrase(second, round(rng.uniform(0.3, 1.8), 3)))


def _short(_rng: random.Random, number: int) -> tuple[Phrase, ...]:
    return (Phrase(_turn_of(texts.SHORT, number)),)


_TURNS = {"E1": _plain, "E2": _with_pause, "E3": _short}
_BACKGROUNDS: tuple[tuple[NoiseKind | None, float], ...] = (
    (None, -90.0),
    ("white", -65.0),
    ("white", -45.0),
    ("pink", -55.0),
    ("pink", -40.0),
    ("room", -50.0),
    ("room", -36.0),
    ("babble", -55.0),
)


def _quiet(name: str, number: int, rng: random.Random) -> Item:
    kind, level_db = _BACKGROUNDS[number % len(_BACKGROUNDS)]
    scene = Scene(rng.randrange(1 << 30), noise=kind, noise_db=level_db)
    # Every third time something is heard as well: also noises must not be taken for words.
    sound = NOISES[number // 3 % len(NOISES)] if number % 3 == 0 else ""
    return Item(
        name,
        Kind.QUIET,
        number,
        scene,
        gain_db=round(rng.uniform(-24, -6), 1),
        sound=sound,
        delay_s=round(rng.uniform(2.0, 8.0), 3),
        seconds=20.0,
    )

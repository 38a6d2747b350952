"""The icons of ``assets/icons``, tinted. Each is drawn in 'currentColor' on a square of 24."""

from __future__ import annotations

from functools import cache, lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.settings import paths

_RATIOS = (1.0, 2.0)


@cache
def _shape(name: str, size: int, ratio: float) -> tuple[QPixmap, bool]:
    """The icon in black, and whether it has no colours of its own."""
    text = (paths.assets() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    image = QPixmap(round(size * ratio), round(size * ratio))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    drawing = QSvgRenderer(QByteArray(text.replace("currentColor", "#000000").encode()))
    drawing.render(painter, QRectF(0, 0, image.width(), image.height()))
    painter.end()
    return image, "currentColor" in text


@lru_cache(maxsize=512)
def pixmap(name: str, colour: str, size: int, ratio: float = 1.0) -> QPixmap:
    """The icon as pixels: ``size`` points square on a screen with ``ratio`` pixels a point.

    Drawn once for each size; another colour is washed over that, which takes a hundredth of the time.
    """
    shape, plain = _shape(name, size, ratio)
    image = QPixmap(shape)
    if plain:
        painter = QPainter(image)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        painter.fillRect(image.rect(), QColor(colour))
        painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def forget() -> None:
    """Let go of all pixels, before Qt ends."""
    pixmap.cache_clear()
    _shape.cache_clear()


def icon(name: str, colour: str, *, disabled: str = "", on: str = "", size: int = 20) -> QIcon:
    """An icon for a button, with its colours when it is disabled and when it is checked."""
    made = QIcon()
    for ratio in _RATIOS:
        for mode, state, tint in (
            (QIcon.Mode.Normal, QIcon.State.Off, colour),
            (QIcon.Mode.Normal, QIcon.State.On, on or colour),
            (QIcon.Mode.Disabled, QIcon.State.Off, disabled or colour),
            (QIcon.Mode.Disabled, QIcon.State.On, disabled or colour),
        ):
            made.addPixmap(pixmap(name, tint, size, ratio), mode, state)
    return made


def application_icon() -> QIcon:
    """Parley's own icon."""
    made = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        made.addPixmap(pixmap("parley", "#000000", size))
    return made

"""Small controls in the window's own look: a switch, a drop-down list, tool buttons."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from app.ui import icons
from app.ui.look import Look


class Switch(QAbstractButton):
    """On or off, as a slide; its label stands beside it."""

    def __init__(self, look: Look, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for the slide and its focus ring."""
        return QSize(48, 30)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """A groove with a knob; the accent when on, a tick on the knob so that colour is not all."""
        colours, on = self._look.colours, self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        groove = QRectF(4, (self.height() - 22) / 2, 40, 22)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(groove.adjusted(-3, -3, 3, 3), 14, 14)
        edge = colours.accent if on else colours.edge
        painter.setPen(QPen(QColor(edge), 1.4))
        painter.setBrush(QColor(colours.accent if on else colours.surface))
        painter.drawRoundedRect(groove, 11, 11)
        left = groove.right() - 19 if on else groove.left() + 3
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.on_accent if on else colours.edge))
        painter.drawEllipse(QRectF(left, groove.top() + 3, 16, 16))
        if on:
            tick = icons.pixmap("check", colours.accent, 12, self.devicePixelRatioF())
            painter.drawPixmap(QPointF(left + 2, groove.top() + 5), tick)
        painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Enter does what Space does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class Choice(QComboBox):
    """A drop-down list with the window's own arrow."""

    def __init__(self, look: Look, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setAccessibleName(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """The field as the style draws it, and the arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        arrow = icons.pixmap("chevron-down", self._look.colours.muted, 18, self.devicePixelRatioF())
        painter.drawPixmap(QPointF(self.width() - 26, (self.height() - 18) / 2), arrow)
        painter.end()

    def wheelEvent(self, event: object) -> None:  # noqa: N802
        """Scrolling a page of settings changes none of them."""
        event.ignore()  # type: ignore[attr-defined]


class ElidedLabel(QLabel):
    """One line of words that ends in '…' where there is no room; the tooltip has all of them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """As much as there is room for."""
        painter = QPainter(self)
        words = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, self.width()
        )
        self.style().drawItemText(
            painter,
            self.rect(),
            int(self.alignment()),
            self.palette(),
            self.isEnabled(),
            words,
            self.foregroundRole(),
        )
        painter.end()


class IconButton(QToolButton):
    """A button of an icon alone, named for those who do not see it. The mouse leaves focus alone."""

    def __init__(
        self, look: Look, icon: str, name: str, *, size: int = 20, tint: str = "text"
    ) -> None:
        super().__init__()
        self._look = look
        self._icon = icon
        self._tint = tint
        self._size = size
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setIconSize(QSize(size, size))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        look.changed.connect(self.tint)
        self.tint()

    def tint(self) -> None:
        """Draw the icon in the scheme's colour."""
        colours = self._look.colours
        colour = str(getattr(colours, self._tint))
        self.setIcon(icons.icon(self._icon, colour, disabled=colours.edge, size=self._size))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Enter does what Space does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class DockButton(QToolButton):
    """One of the large buttons below: an icon, its word under it. The mouse leaves focus alone."""

    def __init__(self, look: Look, icon: str, *, tone: str = "accent") -> None:
        super().__init__()
        self._look = look
        self._icon = icon
        self._tone = tone
        self.setProperty("kind", "dock")
        self.setProperty("tone", tone)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setIconSize(QSize(22, 22))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Fixed)
        look.changed.connect(self.tint)
        self.tint()

    def show_word(self, word: str, tip: str) -> None:
        """What it does now; ``tip`` says more, with the shortcut."""
        self.setText(word)
        self.setToolTip(tip)
        self.setAccessibleName(word)
        self.setAccessibleDescription(tip)

    def show_icon(self, icon: str) -> None:
        """Another icon."""
        self._icon = icon
        self.tint()

    def show_held(self, on: bool) -> None:
        """Draw it as held down, whichever way it is held."""
        if self.property("down") != on:
            self.setProperty("down", on)
            self.style().unpolish(self)
            self.style().polish(self)
            self.tint()

    def tint(self) -> None:
        """Draw the icon in the scheme's colours."""
        colours = self._look.colours
        held = bool(self.property("down"))
        colour = colours.on_accent if held else colours.text
        on = colours.on_accent if held else str(getattr(colours, self._tone))
        drawn = icons.icon(self._icon, colour, disabled=colours.edge, on=on, size=22)
        self.setIcon(drawn)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Enter does what Space does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
        else:
            super().keyPressEvent(event)


def action(parent: QWidget, text: str, shortcut: str) -> QAction:
    """Something the user can do anywhere in the window, with its key."""
    made = QAction(text, parent)
    made.setShortcut(shortcut)
    made.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
    made.setAutoRepeat(False)
    parent.addAction(made)
    return made

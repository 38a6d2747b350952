"""How the window looks now: scheme, palette, style sheet and sizes, following the system."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QWidget

from app.ui.dressing import Dressing
from app.ui.sheet import style_sheet
from app.ui.theme import DARK, LIGHT, Colours

SCHEMES = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}


class Look(QObject):
    """The colours and sizes that widgets draw with; ``changed`` when they are others.

    ``theme`` is 'system', 'light' or 'dark'; ``caption_pt`` the size of the conversation's text.
    """

    changed = Signal()

    def __init__(self, app: QApplication, *, theme: str = "system", caption_pt: int = 14) -> None:
        super().__init__()
        self._app = app
        self._theme = theme
        self.caption_pt = caption_pt
        self.colours: Colours = LIGHT
        self._dressing = Dressing(app, self)
        self._hints = app.styleHints()
        self._hints.colorSchemeChanged.connect(self._follow)
        self._ask()
        self._dress(self._wanted())

    @property
    def dark(self) -> bool:
        """Whether the dark scheme is in use."""
        return self.colours is DARK

    @property
    def still(self) -> bool:
        """Whether the user asked the system for less motion, as far as Qt is told of it."""
        wish = QStyle.StyleHint.SH_Widget_Animation_Duration
        return self._app.style().styleHint(wish) == 0

    @property
    def settled(self) -> bool:
        """Whether everything on screen has the colours of now."""
        return not self._dressing.busy

    def dress(self, part: QWidget) -> None:
        """Let ``part``, with all that is or will be in it, have the scheme's style sheet."""
        self._dressing.add(part)

    def choose(self, *, theme: str | None = None, caption_pt: int | None = None) -> None:
        """Another scheme or size of text, from now on."""
        before = (self._theme, self.caption_pt)
        self._theme = self._theme if theme is None else theme
        self.caption_pt = self.caption_pt if caption_pt is None else caption_pt
        if self._theme != before[0]:
            self._ask()
        if self._follow_wish() or self.caption_pt != before[1]:
            self.changed.emit()

    def caption_font(self) -> QFont:
        """For what was said."""
        font = QFont(self._app.font())
        font.setPointSizeF(float(self.caption_pt))
        return font

    def small_font(self) -> QFont:
        """For who said it and how long it took."""
        font = QFont(self._app.font())
        font.setPointSizeF(max(8.0, self.caption_pt * 0.72))
        return font

    @Slot()
    def _follow(self) -> None:
        if self._follow_wish():
            self.changed.emit()

    def _follow_wish(self) -> bool:
        """Take on the scheme that is wished for; False when it is the one that there is."""
        wanted = self._wanted()
        if wanted is self.colours:
            return False
        self._dress(wanted)
        return True

    def _ask(self) -> None:
        """Tell the platform, so that title bar and file dialogs go along where they can."""
        if self._theme in SCHEMES:
            self._hints.setColorScheme(SCHEMES[self._theme])
        else:
            self._hints.unsetColorScheme()

    def _wanted(self) -> Colours:
        asked = SCHEMES.get(self._theme, self._hints.colorScheme())
        return DARK if asked == Qt.ColorScheme.Dark else LIGHT

    def _dress(self, colours: Colours) -> None:
        self.colours = colours
        # The sheet first: it keeps the windows from drawing themselves in the new palette alone.
        self._dressing.change(style_sheet(colours, line_height(self._app.font())))
        self._app.setPalette(palette(colours))


def line_height(font: QFont) -> int:
    """Height of a line of ordinary text, in points of the screen."""
    return round(QFontMetricsF(font).height())


def palette(colours: Colours) -> QPalette:
    """The scheme as Qt's own roles, for everything that the style sheet does not draw."""
    made = QPalette()
    roles = {
        QPalette.ColorRole.Window: colours.window,
        QPalette.ColorRole.WindowText: colours.text,
        QPalette.ColorRole.Base: colours.surface,
        QPalette.ColorRole.AlternateBase: colours.sunken,
        QPalette.ColorRole.Text: colours.text,
        QPalette.ColorRole.PlaceholderText: colours.muted,
        QPalette.ColorRole.Button: colours.surface,
        QPalette.ColorRole.ButtonText: colours.text,
        QPalette.ColorRole.ToolTipBase: colours.surface,
        QPalette.ColorRole.ToolTipText: colours.text,
        QPalette.ColorRole.Highlight: colours.accent,
        QPalette.ColorRole.HighlightedText: colours.on_accent,
        QPalette.ColorRole.Accent: colours.accent,
        QPalette.ColorRole.Link: colours.accent,
        QPalette.ColorRole.Mid: colours.line,
        QPalette.ColorRole.Dark: colours.edge,
        QPalette.ColorRole.Light: colours.surface,
        QPalette.ColorRole.Shadow: colours.edge,
        QPalette.ColorRole.BrightText: colours.danger,
    }
    for role, colour in roles.items():
        made.setColor(role, QColor(colour))
    for role in (
        QPalette.ColorRole.WindowText,
        QPalette.ColorRole.Text,
        QPalette.ColorRole.ButtonText,
    ):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours.edge))
    return made

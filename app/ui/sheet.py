"""The style sheet: flat surfaces, round corners, one accent, a focus ring on everything.

Widgets are told apart by the property ``kind``; sizes are in points of the screen, which Qt scales.
"""

from __future__ import annotations

from string import Template

from app.ui.theme import Colours, mix

_SHEET = Template("""
* { outline: none; }
QWidget { color: $text; }
QToolTip { background: $surface; color: $text; border: 1px solid $line; padding: 5px 7px; }

QFrame[kind="header"], QFrame[kind="dock"] { background: $surface; border: 0; }
QFrame[kind="header"] { border-bottom: 1px solid $line; }
QFrame[kind="dock"] { border-top: 1px solid $line; }
QFrame[kind="recording"] { background: $danger_soft; border: 0; border-bottom: 1px solid $line; }
QFrame[kind="card"] { background: $surface; border: 1px solid $line; border-radius: 12px; }
QFrame[kind="rule"] { background: $line; border: 0; max-height: 1px; min-height: 1px; }

QLabel { background: transparent; }
QLabel[kind="state"] { font-size: ${state}px; font-weight: 600; }
QLabel[kind="title"] { font-size: ${title}px; font-weight: 600; }
QLabel[kind="hero"] { font-size: ${hero}px; font-weight: 600; }
QLabel[kind="section"] { font-size: ${section}px; font-weight: 600; }
QLabel[kind="hint"] { color: $muted; }
QLabel[kind="danger"] { color: $danger; font-weight: 600; }

QPushButton {
  background: $surface; color: $text; border: 1px solid $edge; border-radius: 8px;
  padding: 6px 14px; min-height: ${control}px;
}
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $sunken; }
QPushButton:focus { border: 2px solid $accent; padding: 5px 13px; }
QPushButton:disabled { color: $edge; border-color: $line; }
QPushButton[kind="primary"] {
  background: $accent; color: $on_accent; border: 1px solid $accent; font-weight: 600;
}
QPushButton[kind="primary"]:hover { background: $accent_hover; }
QPushButton[kind="primary"]:focus { border: 2px solid $text; }
QPushButton[kind="link"] {
  background: transparent; border: 1px solid transparent; color: $accent; padding: 3px 6px;
  min-height: 0; text-align: left; text-decoration: underline;
}
QPushButton[kind="link"]:focus { border: 1px solid $accent; border-radius: 6px; padding: 3px 6px; }

QToolButton {
  background: transparent; color: $text; border: 2px solid transparent; border-radius: 10px;
  padding: 5px;
}
QToolButton:hover { background: $hover; }
QToolButton:pressed { background: $sunken; }
QToolButton:focus { border: 2px solid $accent; }
QToolButton:disabled { color: $edge; }
QToolButton::menu-indicator { image: none; width: 0; }
QToolButton[kind="dock"] { padding: 6px 2px 5px 2px; border-radius: 12px; }
QToolButton[kind="dock"]:checked { background: $accent_soft; color: $accent; font-weight: 600; }
QToolButton[kind="dock"][down="true"] { background: $accent; color: $on_accent; font-weight: 600; }
QToolButton[kind="dock"][tone="warning"]:checked { background: $warning_soft; color: $warning; }
QToolButton[kind="dock"][tone="danger"]:checked { background: $danger_soft; color: $danger; }
QToolButton[kind="send"] { background: $accent; border-radius: ${round}px; padding: 0; }
QToolButton[kind="send"]:hover { background: $accent_hover; }
QToolButton[kind="send"]:focus { border: 2px solid $text; }
QToolButton[kind="send"]:disabled { background: $sunken; }
QToolButton[kind="latest"] {
  background: $surface; border: 1px solid $edge; border-radius: ${round}px; padding: 0;
}
QToolButton[kind="latest"]:focus { border: 2px solid $accent; }

QLineEdit, QComboBox {
  background: $surface; color: $text; border: 1px solid $edge; border-radius: 8px;
  padding: 5px 9px; min-height: ${control}px; placeholder-text-color: $muted;
  selection-background-color: $accent; selection-color: $on_accent;
}
QLineEdit:focus, QComboBox:focus { border: 2px solid $accent; padding: 4px 8px; }
QLineEdit:disabled { color: $edge; border-color: $line; }
QLineEdit:read-only { color: $muted; border-color: $line; }
QLineEdit[kind="composer"] {
  background: $window; border-radius: ${round}px; padding: 0 16px; min-height: ${composer}px;
}
QLineEdit[kind="composer"]:focus { padding: 0 15px; min-height: ${composer_focus}px; }
QComboBox { padding-right: 28px; combobox-popup: 0; }
QComboBox::drop-down { border: 0; width: 26px; }
QComboBox::down-arrow { image: none; }
QComboBox QAbstractItemView {
  background: $surface; color: $text; border: 1px solid $edge; padding: 4px;
  selection-background-color: $accent_soft; selection-color: $text;
}
QComboBox QAbstractItemView::item { min-height: 26px; padding: 0 5px; border-radius: 5px; }
QComboBox QAbstractItemView::item:selected { background: $accent_soft; color: $text; }

QSlider { min-height: 26px; background: transparent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $edge; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
  width: 18px; height: 18px; margin: -8px 0; border-radius: 10px;
  background: $surface; border: 1px solid $accent;
}
QSlider:focus { border: 0; }
QSlider::handle:horizontal:focus { border: 3px solid $accent; width: 14px; height: 14px; }

QScrollArea, QScrollArea > QWidget > QWidget[kind="page"] { background: $window; border: 0; }
QAbstractScrollArea { border: 0; }
QListView[kind="captions"] { background: $window; border: 0; }
QTreeView[kind="sessions"] { background: $window; color: $text; border: 0; padding: 6px; }
QTreeView[kind="sessions"]::item { padding: 8px 6px; border: 0; color: $text; }
QTreeView[kind="sessions"]::item:selected { background: $accent_soft; color: $text; }
QHeaderView { background: $window; border: 0; }
QHeaderView::section {
  background: $window; color: $muted; border: 0; border-bottom: 1px solid $line; padding: 8px 6px;
}
QScrollBar:vertical { background: transparent; width: 12px; margin: 2px; }
QScrollBar::handle:vertical { background: $bar; border-radius: 4px; min-height: 32px; }
QScrollBar::handle:vertical:hover { background: $edge; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenu { background: $surface; border: 1px solid $line; padding: 6px; }
QMenu::item { padding: 7px 22px 7px 14px; border-radius: 6px; }
QMenu::item:selected { background: $accent_soft; color: $text; }
QMenu::separator { height: 1px; background: $line; margin: 5px 8px; }
""")


def style_sheet(colours: Colours, line: int) -> str:
    """The sheet for ``colours``; ``line`` is the height of a line of ordinary text."""
    values = {name: str(getattr(colours, name)) for name in Colours.__slots__}
    return _SHEET.substitute(
        values,
        hover=mix(colours.text, colours.surface, 0.05),
        bar=mix(colours.edge, colours.window, 0.6),
        accent_hover=mix(colours.text, colours.accent, 0.12),
        control=max(20, line + 4),
        composer=max(40, line + 22) - 2,
        composer_focus=max(40, line + 22) - 4,
        round=max(40, line + 22) // 2,
        state=round(line * 1.15),
        section=round(line * 0.95),
        title=round(line * 1.25),
        hero=round(line * 1.75),
    )

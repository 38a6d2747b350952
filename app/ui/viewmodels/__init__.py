"""What the window shows, without a widget: QtCore only. Read ``session.py`` first."""

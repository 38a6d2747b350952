"""Sound files in and out. Knows no model and no conversation; read ``files.py`` first."""

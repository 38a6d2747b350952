"""Checkpoints on disk: two layouts in, one model out; and the way back for what was trained here."""

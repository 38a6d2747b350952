"""What opens over the window: the settings, and what Parley is."""

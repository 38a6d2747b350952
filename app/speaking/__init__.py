"""From sentences to sound: the adapter between the assistant and ``engine``. See ``csm.py``."""

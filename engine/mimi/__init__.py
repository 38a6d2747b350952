"""Kyutai's Mimi behind one small interface, every size from the config. Read ``codec.py`` first.

``decoder.py`` and ``encoder.py`` are the networks, made of ``rows.py`` (convolutions),
``attention.py`` and ``packed.py`` (matrices); ``memory.py`` is what a stream remembers, ``lanes.py``
where it does, and ``graphs.py`` how the networks run on a card. The weights
belong to Kyutai's own modules (``modules.py``), which training uses too; ``state.py`` reads them.
"""

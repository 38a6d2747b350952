"""The codec: Kyutai's Mimi modules behind one small interface, every size from the config."""

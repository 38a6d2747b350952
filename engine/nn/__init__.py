"""Layers of the CSM transformers: norm, rotary positions, attention, KV cache. No model names."""

"""Live sessions on disk: recorded, repaired after a crash, read, shown and exported.

Read ``recorder.py`` first. A session is a folder: ``session.wav`` (all channels on one clock),
``events.jsonl`` (every decision), ``session.json`` (with what), and once it is over the transcript.
"""

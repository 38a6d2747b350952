"""How the built-in models are made: corpus, data sets, training, export.

`python -m engine.training nano` runs the parts from nothing to the files in `assets/nano/`. The same code
trains larger models of the same architecture: sizes come from configuration.
"""

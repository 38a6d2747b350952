"""How the built-in models are made: corpus, data sets, training, export.

`python -m engine.training nano [--only mimi|csm|whisper|llm]` runs the parts from nothing to the files in
`assets/`. The speech model's parts, in the order in which they run (see `nano.py`):

- `espeak.py`, `speech.py`: the teacher, its voices, words and phonemes with their times.
- `mimi/`: `tokenizer.py` settles what the codes mean (mel domain), `export.py` keeps code 0 free for CSM's
  end of speech, `vocoder.py` learns waves from the frozen codes.
- `csm/`: `prepare.py` speaks and encodes the corpus into shards, `sequences.py` composes conversations from
  them, `batch.py` corrupts the history, `losses.py` and `train.py` train, `evaluate.py` listens.

What made the shipped speech model, on about one of two busy CPU cores: tokenizer 2,708 steps (24 min by the
clock), 27 h of speech encoded (27 core-seconds an hour), decoder 4,100 steps (15 core-minutes), speech model
18,800 steps, 122 h heard in 102 min by the clock. It was not one uninterrupted run: shards were added
while the corpus grew, the first 1,050 steps had batches of 1,400 positions, and the schedule was stretched
once at step 5,600. The codec heard rows of random words from an early word list instead of `nano.codec_texts`.

The other two were made in pieces as well. whisper-nano: 9,412 steps, 149 h heard of 55 h, its end moved twice,
its last part without holding the learning rate. llm-nano: 2,390 steps (about 15 core-minutes), resumed twice with
more text, its tokenizer learnt from the first text. The commands repeat the recipes, not these accidents, so they
give models like the shipped ones, not the same files. Nothing here has run on a GPU yet.
"""

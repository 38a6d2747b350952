"""How the built-in models are made: corpus, data sets, training, export.

`python -m engine.training nano [--only mimi|csm|whisper|llm]` runs the parts from nothing to the files in
`assets/`. The speech model's parts, in the order in which they run (see `nano.py`):

- `espeak.py`, `speech.py`: the teacher, its voices, words and phonemes with their times.
- `mimi/`: `tokenizer.py` settles what the codes mean (mel domain), `export.py` keeps code 0 free for CSM's
  end of speech, `vocoder.py` learns waves from the frozen codes.
- `csm/`: `prepare.py` speaks and encodes the corpus into shards, `sequences.py` composes conversations from
  them, `batch.py` corrupts the history, `losses.py` and `train.py` train, `evaluate.py` listens.

What made the shipped speech model, in two rounds on one to one and a half busy CPU cores. First round, AdamW
everywhere and a codec set of 55 % users and any voices: tokenizer 2,708 steps, vocoder 4,100, speech model
18,800 with batches of 950 positions, 122 h heard of 27 h. Its codec lost 6.5 points of word error and the
speech model 7.6 more. Second round, from those weights, as the recipes are now (Muon, both phoneme losses,
three quarters assistants): tokenizer 2,923 steps (22 min by the clock), 50 h of new text encoded (25
core-seconds an hour), vocoder 5,959 steps (the last 1,422 of them two thirds atlas), speech model 8,606
steps, 123 h heard in 103 min by the clock while shards were still being added, with more corruption at first
and less guidance. The speech model kept its weights, too: the row of a new code in its tables began as the
mean of the rows of those old codes that it met in a quarter of an hour of speech. The plan's steps are both
rounds together.

The other two were made in pieces as well. whisper-nano: 9,412 steps, 149 h heard of 55 h, its end moved twice,
its last part without holding the learning rate. llm-nano: about 2,250 steps (22 core-minutes) in
one run that was resumed once, on the text of its second round. The commands repeat the recipes, not these accidents, so they
give models like the shipped ones, not the same files. Nothing here has run on a GPU yet.
"""

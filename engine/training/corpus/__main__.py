"""`python -m engine.training.corpus --count 20 --seed 1` prints samples of the corpus."""

import argparse
from itertools import islice

from engine.training.corpus import dialogues, sentences


def main() -> None:
    """Prints sentences, or dialogues with `--dialogues`."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.corpus", description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="how many to print")
    parser.add_argument("--seed", type=int, default=1, help="seed of the stream")
    parser.add_argument("--dialogues", action="store_true", help="dialogues, not sentences")
    arguments = parser.parse_args()
    if arguments.dialogues:
        for dialogue in islice(dialogues(arguments.seed), arguments.count):
            print("\n".join(dialogue), end="\n\n")
        return
    for sentence in islice(sentences(arguments.seed), arguments.count):
        print(sentence)


if __name__ == "__main__":
    main()

"""CSM's text tokenizer: ``tokenizer.json`` and the exact template of one segment."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from engine.errors import ModelError

BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"


class TextTokenizer:
    """Turns ``(speaker, text)`` into the ids of ``BOS [speaker]text EOS``.

    The bracket and the text go through the tokenizer as one string, because a merge may cross
    them. Llama's own post-processor adds only BOS, so both ends are added here.
    """

    def __init__(self, tokenizer: Tokenizer, *, template_space: bool = False) -> None:
        bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
        if bos is None or eos is None:
            raise ModelError(
                f"The tokenizer has no {BOS if bos is None else EOS} token, so it is not CSM's: "
                "put the model's own tokenizer.json into its folder."
            )
        # What a user says must never turn into a control token.
        tokenizer.encode_special_tokens = True
        self._tokenizer, self._bos, self._eos = tokenizer, bos, eos
        self._space = " " if template_space else ""

    @classmethod
    def load(cls, folder: Path, *, template_space: bool = False) -> TextTokenizer:
        """Read ``folder/tokenizer.json``.

        Raises:
            ModelError: when the file is missing, unreadable or of another kind.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"{folder} has no tokenizer.json: copy the one that belongs to the model there "
                "(for csm-1b it is Llama 3.2's)."
            )
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for any bad file
            raise ModelError(
                f"{path} cannot be read as a tokenizer ({error}): download it again."
            ) from error
        return cls(tokenizer, template_space=template_space)

    def encode(self, speaker: int, text: str) -> list[int]:
        """Ids of one segment's text, BOS and EOS included."""
        line = f"[{speaker}]{self._space}{text}"
        return [self._bos, *self._tokenizer.encode(line, add_special_tokens=False).ids, self._eos]

    @property
    def vocab(self) -> int:
        """Number of ids, special ones included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

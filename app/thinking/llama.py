"""A language model in a GGUF file, run by llama.cpp in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import ModelMissingError, ThinkingError
from app.core.turn import CancelToken
from app.core.types import Message, Role
from app.thinking.gguf import context_length
from app.thinking.prompt import fit, recent
from app.thinking.surety import Bound, Surety

if TYPE_CHECKING:
    from llama_cpp import Llama

# Tokens that a chat template may spend around each message.
_FRAME_TOKENS = 8


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How the model is run. Temperature 0 takes the likeliest token, so answers repeat exactly.

    ``gpu`` puts the whole model on a graphics card where llama.cpp was built for one.
    ``exchanges`` is how much of the conversation it is told; None tells all that fits.
    """

    threads: int = 1
    context_tokens: int = 4096
    reply_tokens: int = 256
    temperature: float = 0.0
    gpu: bool = True
    exchanges: int | None = None


class LlamaChat:
    """The local ``ChatModel``. One answer at a time: the model object is not thread-safe."""

    def __init__(self, path: Path, options: LlamaOptions | None = None) -> None:
        self._path = path
        self._options = options or LlamaOptions()
        self._llama: Llama | None = None
        self._bound: Bound | None = None
        self._budget = 0
        self._reply_tokens = 0

    def load(self) -> None:
        """Load the file and answer once with one token.

        Raises:
            ModelMissingError: when it is missing, cut short, or no chat model in GGUF.
        """
        window = min(_checked(self._path) or 4096, self._options.context_tokens)
        from llama_cpp import Llama, llama_supports_gpu_offload

        options = self._options
        try:
            llama = Llama(
                str(self._path),
                n_ctx=window,
                n_threads=options.threads,
                n_threads_batch=options.threads,
                n_gpu_layers=-1 if options.gpu and llama_supports_gpu_offload() else 0,
                verbose=False,
            )
        except (ValueError, RuntimeError, AssertionError) as error:
            raise _unusable(self._path) from error
        if "tokenizer.chat_template" not in llama.metadata:
            raise ModelMissingError(
                f"The language model {self._path} has no chat template: choose an instruct or "
                "chat model in GGUF."
            )
        self._llama = llama
        self._bound = Bound.of(llama.metadata)
        self._reply_tokens = min(options.reply_tokens, window // 2)
        self._budget = window - self._reply_tokens
        for _ in self._pieces([Message(Role.USER, "Hello.")], tokens=1):
            pass

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        """The answer piece by piece, oldest exchanges left out where the window is full.

        Raises:
            ThinkingError: when llama.cpp fails or even the last message does not fit.
        """
        if self._llama is None:
            self.load()
        budget = self._budget
        if self._options.exchanges is not None:
            messages = recent(messages, self._options.exchanges)
        while True:
            kept = fit(messages, budget, self._cost)
            pieces = self._pieces(kept, self._reply_tokens)
            try:
                first = next(pieces, None)
                break
            except ValueError as error:
                # The prompt was longer than reckoned: leave out more, until only the last is left.
                if len([m for m in kept if m.role is not Role.SYSTEM]) <= 1:
                    raise ThinkingError(
                        "The question is longer than the language model's window: "
                        "say it in fewer words."
                    ) from error
                budget = budget * 3 // 4
        while first is not None and not cancel.cancelled:
            yield first
            try:
                first = next(pieces, None)
            except (RuntimeError, ValueError) as error:
                raise ThinkingError(
                    "The language model failed in the middle of its answer: try again or "
                    "choose another model."
                ) from error
        pieces.close()

    def _cost(self, message: Message) -> int:
        assert self._llama is not None
        return len(self._llama.tokenize(message.content.encode(), add_bos=False)) + _FRAME_TOKENS

    def _pieces(self, messages: Sequence[Message], tokens: int) -> Any:
        """A generator of the answer's texts, or of what the file says instead of a guess."""
        assert self._llama is not None
        chat: list[Any] = [{"role": str(m.role), "content": m.content} for m in messages]
        surety = Surety(self._bound) if self._bound else None
        watchers: Any = [surety] if surety else None
        stream: Any = self._llama.create_chat_completion(
            chat,
            stream=True,
            max_tokens=tokens,
            temperature=self._options.temperature,
            logits_processor=watchers,
        )
        texts = (part["choices"][0]["delta"].get("content") for part in stream)
        held: list[str] = []
        for text in filter(None, texts):
            held.append(text)
            if surety is None or surety.known:
                break
        if surety and surety.lacking("".join(held)):
            yield surety.bound.instead
            return
        yield from held
        yield from filter(None, texts)


def _checked(path: Path) -> int | None:
    """The tokens that the model was trained for, once the file is known to be a GGUF."""
    if not path.is_file():
        raise ModelMissingError(
            f"There is no language model {path}: name a GGUF file or a server's address with --llm."
        )
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic != b"GGUF":
            raise ModelMissingError(
                f"The language model {path} is not a GGUF file: name one with --llm."
            )
        return context_length(path)
    except OSError as error:
        raise ModelMissingError(
            f"The language model {path} cannot be read: check its rights."
        ) from error
    except ValueError as error:
        raise _unusable(path) from error


def _unusable(path: Path) -> ModelMissingError:
    return ModelMissingError(
        f"The language model {path} is damaged or not fully copied: copy or download it again."
    )

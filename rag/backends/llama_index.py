"""Any LlamaIndex LLM: an object of yours, or an import path and keyword arguments."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from rag.backends._attempts import Plan, attempts, printable
from rag.backends._failures import Setup
from rag.backends._sse import check_finish, cut
from rag.backends._watch import Limits, Line
from rag.config import SECRET_NAME
from rag.errors import BackendNotReady
from rag.types import Message

if TYPE_CHECKING:
    from rag.config import BackendSettings

# What a class takes and its own default gets wrong here: a second retry loop inside ours makes
# twelve requests of one, and a server taken for a completion model gets no chat template.
_BETTER: dict[str, Any] = {"max_retries": 0, "is_chat_model": True}
_ENDS = ("finish_reason", "done_reason", "stop_reason")


class LlamaIndexBackend:
    """Streams from `llm.stream_chat` where the LLM can stream, else waits for the whole reply."""

    def __init__(
        self,
        llm: Any,
        limits: Limits | None = None,
        retries: int = 0,
    ) -> None:
        self._llm = llm
        self.model: str | None = _model_name(llm)
        secrets = tuple(_secrets(getattr(llm, "__dict__", {})))
        setup = _setup(type(llm).__name__, self.model, secrets)
        self._plan = Plan(setup, limits or Limits(), retries)

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        """Build the LLM that `backend.llm` names. Raises BackendNotReady where that fails."""
        llm = resources.get("llm") or _build(settings)
        return cls(llm, Limits.of(settings), settings.retries)

    def complete(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield the answer as it arrives."""
        chat = _chat(messages)

        def read(line: Line) -> Generator[str, None, None]:
            try:
                yield from _deltas(self._llm.stream_chat(chat))
            except NotImplementedError:
                line.whole = True
                # Restarts the wait, from here on under the total limit alone.
                yield ""
                yield _whole(self._llm, chat)

        yield from attempts(read, self._plan)


def _chat(messages: Sequence[Message]) -> list[Any]:
    try:
        from llama_index.core.llms import ChatMessage
    except ImportError as error:
        raise BackendNotReady(
            "The llama_index backend needs its package: pip install 'llama-index-core>=0.14.25'."
        ) from error
    return [ChatMessage(role=m.role, content=printable(m.content)) for m in messages]


def _deltas(replies: Iterable[Any]) -> Iterator[str]:
    so_far, says_why, ended = "", False, ""
    for reply in replies:
        # Some LLMs fill only the text so far.
        delta = reply.delta if reply.delta is not None else _content(reply)[len(so_far) :]
        so_far += delta
        yield delta
        choice = _choice(reply.raw)
        says_why = says_why or choice is not None
        ended = _ending(choice) or _ending(reply.raw) or ended
    check_finish(ended)
    if says_why and not ended:
        raise cut()


def _whole(llm: Any, chat: Sequence[Any]) -> str:
    try:
        reply = llm.chat(chat)
    except NotImplementedError:
        return str(llm.complete(_prompt(llm, chat)).text)
    return _content(reply)


def _content(reply: Any) -> str:
    return reply.message.content or ""


def _prompt(llm: Any, chat: Sequence[Any]) -> str:
    shape = getattr(llm, "messages_to_prompt", None)
    return str(shape(chat)) if shape else "\n\n".join(str(message.content) for message in chat)


def _choice(raw: Any) -> Any:
    choices = _field(raw, "choices")
    return choices[0] if isinstance(choices, list) and choices else None


def _ending(raw: Any) -> str:
    return next((str(found) for name in _ENDS if (found := _field(raw, name))), "")


def _field(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)


def _build(settings: BackendSettings) -> Any:
    path = settings.llm or ""
    kind = _import(path)
    arguments = _arguments(kind, settings)
    try:
        return kind(**arguments)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    # Raised here, where `error` and the key in its frames are gone.
    said = _setup(path, None, tuple(_secrets(arguments))).scrub(said)
    raise BackendNotReady(
        f"{path} cannot be made ({said}). Check backend.llm_kwargs in footnoted.toml."
    )


def _arguments(kind: Any, settings: BackendSettings) -> dict[str, Any]:
    takes = getattr(kind, "model_fields", {})
    better = {name: value for name, value in _BETTER.items() if name in takes}
    ours: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("temperature", "max_tokens")
        if name in settings.model_fields_set and name in takes
    }
    key = {"api_key": settings.api_key.get_secret_value()} if settings.api_key else {}
    model = {"model": settings.model} if settings.model else {}
    return {**better, **ours, **key, **settings.llm_kwargs, **model}


def _import(path: str) -> Any:
    module, _, name = path.partition(":")
    if not module or not name:
        raise BackendNotReady(
            "The llama_index backend needs an LLM: set backend.llm to its import path, such as "
            "llama_index.llms.openai_like:OpenAILike, and backend.llm_kwargs to its arguments."
        )
    try:
        found = import_module(module)
    except Exception as error:
        package = "-".join(module.replace("_", "-").split(".")[:3])
        raise BackendNotReady(
            f"{path} cannot be imported ({error}). Install it: pip install {package}"
        ) from error
    if not hasattr(found, name):
        raise BackendNotReady(f"{module} has no {name}: correct backend.llm in footnoted.toml.")
    return getattr(found, name)


def _model_name(llm: Any) -> str | None:
    try:
        name = getattr(llm, "model", None) or llm.metadata.model_name
    except Exception:
        # Some LLMs look the window of their model up for it, and fail on a name they don't know.
        return None
    return name if isinstance(name, str) and name != "unknown" else None


def _setup(where: str, model: str | None, secrets: tuple[str, ...]) -> Setup:
    kwargs = "backend.llm_kwargs"
    return Setup(where, model, f"api_key in {kwargs}", f"the address in {kwargs}", secrets)


def _secrets(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif SECRET_NAME.search(str(name)):
            shown = getattr(value, "get_secret_value", lambda value=value: value)()
            # A header holds "Bearer <key>": the key alone may be echoed.
            yield from (word for word in str(shown).split() if len(word) > 6)

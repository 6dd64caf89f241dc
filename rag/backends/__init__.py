"""Who writes the answer: one file per backend, one line each here. The seam is `complete`.

`complete(messages)` yields text as it arrives. It raises `BackendInterrupted` where a stream
broke off after text was out, and another `BackendError` where none was; nothing else.
"""

BACKENDS: dict[str, str] = {
    "extractive": "rag.backends.extractive:ExtractiveBackend",
    "openai": "rag.backends.openai:OpenAIBackend",
    "llama_cpp": "rag.backends.llama_cpp:LlamaCppBackend",
    "llama_index": "rag.backends.llama_index:LlamaIndexBackend",
    "scripted": "rag.backends.scripted:ScriptedBackend",
}

__all__ = ["BACKENDS"]

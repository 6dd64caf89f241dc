"""The chat page on top of `rag`. Nothing is here yet: use the command line or Python."""

"""Evaluation on top of `rag`. So far the default questions only, in `data/`; see `benchmarks/`."""

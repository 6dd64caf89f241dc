"""A cold `footnoted ask` against the imports it avoids: python benchmarks/cold_start.py --home H

Runs both in turns as processes of their own and prints the median of the ratios pair by pair.
The home must hold papers: footnoted ingest sample: --home H
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

IMPORTS = "import sentence_transformers, llama_index.core, gradio, chromadb"
QUESTION = "How much memory does SPANN need?"


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    footnoted = str(Path(sys.executable).with_name("footnoted"))
    pairs = []
    for _ in range(args.runs):
        ask = seconds([footnoted, "ask", QUESTION, "--home", args.home])
        imports = seconds([sys.executable, "-c", IMPORTS])
        pairs.append((ask, imports))
        print(f"ask {ask:.2f} s, imports {imports:.2f} s, ratio {ask / imports:.2f}", flush=True)
    print(f"median ratio {statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()

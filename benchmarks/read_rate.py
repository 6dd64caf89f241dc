"""How fast sources are read: python benchmarks/read_rate.py [SOURCE] [--format NAME] [--store]

Reads and cleans every record of SOURCE (default: the arXiv records, where they are), or with
`--store` also puts them into a fresh library. Prints records per second of wall-clock and of this
process's own time (on a shared machine only the latter can be compared), and the peak memory after
each tenth, which should not rise.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rag.ingest import store_records
from rag.library import Library
from rag.sources import Meter, open_source
from rag.types import Record

ARXIV = Path(__file__).parent.parent.parent / "shared" / "data" / "arxiv" / "abstracts.jsonl.gz"


class Watch:
    """Counts records, and notes the peak memory (MB) after each tenth of the bytes."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.seen = 0
        self.peaks: list[int] = []

    def over(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.seen += 1
            total = self.meter.total
            if total and self.meter.done * 10 // total > len(self.peaks):
                self.peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            yield record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", default=str(ARXIV))
    parser.add_argument("--format")
    parser.add_argument("--store", action="store_true")
    args = parser.parse_args()
    meter = Meter()
    watch = Watch(meter)
    records = watch.over(open_source(args.source, args.format, meter=meter))
    wall, own = time.perf_counter(), time.process_time()
    if args.store:
        with tempfile.TemporaryDirectory() as folder:
            library = Library(Path(folder) / "library.sqlite")
            pairs = ((args.source, record) for record in records)
            print(store_records(library, pairs, Path(folder) / "rejected.jsonl"))
            library.close()
    else:
        for _ in records:
            pass
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"{watch.seen:,} records, {watch.seen / wall:,.0f} per second of wall-clock, ", end="")
    print(f"{watch.seen / own:,.0f} per second of processor time")
    print(f"peak memory after each tenth, MB: {watch.peaks}")


if __name__ == "__main__":
    main()

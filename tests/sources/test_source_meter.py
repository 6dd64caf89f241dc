import gzip
import io
import threading

from rag.sources import Meter, open_source

LINE = '{"title": "T", "abstract": "Some words about moss and clocks."}\n'


def test_it_counts_what_lies_on_the_disk_not_what_it_unpacks_to(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINE.encode() * 5000))
    meter = Meter()
    records = open_source(str(path), meter=meter)
    assert (meter.done, meter.total) == (0, path.stat().st_size)
    assert sum(1 for _ in records) == 5000
    assert meter.done >= path.stat().st_size
    assert meter.estimate(5000) == 5000


def test_the_estimate_is_right_half_way(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.jsonl").write_text(LINE * 10_000)
    meter = Meter()
    seen = []
    report = meter.watched(lambda stage, done, total: seen.append(total))
    for number, _ in enumerate(open_source(str(tmp_path), meter=meter), 1):
        if number % 10_000 == 5_000:
            report("reading", number, None)
    assert all(abs(total - 40_000) < 12_000 for total in seen)
    assert len(seen) == 4


def test_a_pipe_has_no_end_that_is_known(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINE.encode())))
    meter = Meter()
    assert len(list(open_source("-", meter=meter))) == 1
    assert meter.total is None
    assert meter.estimate(1) is None


def test_a_limit_is_an_end(tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE * 9000)
    meter = Meter()
    next(open_source(str(tmp_path / "a.jsonl"), meter=meter))
    seen = []
    meter.watched(lambda *report: seen.append(report), limit=10)("reading", 5, None)
    meter.watched(lambda *report: seen.append(report))("embedding", 5, 7)
    assert seen == [("reading", 5, 10), ("embedding", 5, 7)]


def test_it_counts_from_several_threads():
    meter = Meter()
    threads = [threading.Thread(target=lambda: [meter.add(1) for _ in range(1000)]) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.done == 3000

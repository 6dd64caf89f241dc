from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chatbot import Chatbot
from rag.ingest import writing
from ui.jobs import Job, Jobs, plain_name

RECORD = json.dumps({"title": "Kernels", "abstract": "Kernels compare two graphs."}).encode()


def ended(jobs: Jobs, job: Job) -> Job:
    for _ in range(500):
        found = jobs.get(job.id, job.owner)
        assert found is not None
        if not found.open:
            return found
        time.sleep(0.02)
    raise AssertionError(f"still {job.state}")


@given(st.text(max_size=300))
def test_a_file_name_means_no_path_and_no_glob(name: str) -> None:
    plain = plain_name(name)
    assert plain and len(plain) <= 100 and not plain.startswith(".")
    assert not set(plain) & set("/\\*?[]~: \n")


def test_a_name_keeps_its_ending() -> None:
    assert plain_name("../../my papers*.jsonl.gz").endswith(".jsonl.gz")


def test_a_job_that_a_stop_cut_off_is_done_after_the_next_start(bot: Chatbot) -> None:
    with writing(bot.home):  # somebody else writes, so that the job has to wait
        jobs = Jobs(bot)
        job = jobs.add([("k.jsonl", RECORD)], "ada")
        time.sleep(0.1)
        jobs.close(2)
    stored = json.loads((bot.home / "uploads" / job.id / "job.json").read_text())
    assert stored["state"] in ("waiting", "running")
    again = Jobs(bot)
    assert ended(again, job).report["ingested"] == 1
    assert again.get(job.id, "bob") is None and again.of("bob") == []
    again.close(2)


def test_files_are_gone_when_they_are_read_and_the_report_stays(bot: Chatbot) -> None:
    jobs = Jobs(bot)
    job = ended(jobs, jobs.add([("k.jsonl", RECORD), ("k.jsonl", RECORD)], ""))
    jobs.close(2)
    assert (job.report["ingested"], job.report["unchanged"]) == (1, 1)
    assert [p.name for p in (bot.home / "uploads" / job.id).iterdir()] == ["job.json"]
    assert [j.report for j in Jobs(bot).of("")] == [job.report]


@pytest.mark.parametrize("damage", ["{", "[]", '{"id": 1}'])
def test_a_damaged_record_of_a_job_stops_nothing(bot: Chatbot, damage: str) -> None:
    folder = bot.home / "uploads" / "x"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(damage)
    assert Jobs(bot).of("") == []


def test_a_file_on_disk_is_copied(bot: Chatbot, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(RECORD)
    jobs = Jobs(bot)
    assert ended(jobs, jobs.add([("mine.jsonl", path)], "")).state == "done"
    jobs.close(2)
    assert path.exists()

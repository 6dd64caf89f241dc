"""Whatever the description allows, and more, sent to the API: no answer that is not described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import live, make_bot

pytestmark = [
    pytest.mark.browser,  # a program that looks around: `make test-ui` and .ci/run have time for it
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # of the tool that writes the requests
]


def test_the_description_holds(tmp_path: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi import checks

    with make_bot(tmp_path / "home") as bot, live(bot, max_upload=100_000) as (url, _):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        tried = 0
        for found in schema.get_all_operations():
            operation = found.ok()

            @given(case=operation.as_strategy())
            @settings(
                max_examples=10, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def check(case: Any) -> None:
                # What the description allows can still be refused: blanks are no question.
                case.call_and_validate(excluded_checks=[checks.positive_data_acceptance])

            check()
            tried += 1
    assert tried >= 19

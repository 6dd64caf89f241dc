"""A report: figures with intervals, and every answer behind them; on disk, and as frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.asking import ANSWERS, Row, read_rows, write_rows
from eval.errors import EvalError
from eval.measures import Measure
from eval.metrics.calibration import reliability
from eval.metrics.refusals import risk_coverage
from eval.stats import Estimate

REPORT = "report.json"
Rows = Mapping[str, list[float] | None]


@dataclass(frozen=True)
class Report:
    """`data` is report.json; `rows` are the lines of answers.jsonl."""

    data: dict[str, Any]
    rows: list[Row]
    folder: Path | None = None

    @classmethod
    def load(cls, folder: str | Path) -> Report:
        """Read what a run has left in a folder. Raises EvalError where it has not."""
        path = Path(folder)
        path = path.parent if path.name == REPORT else path
        try:
            data = json.loads((path / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EvalError(
                f"{path} holds no report. Make one: footnoted eval run QUESTIONS --out {path}"
            ) from error
        return cls(data, list(read_rows(path / ANSWERS)), path)

    def save(self, folder: Path) -> None:
        """Write report.json and answers.jsonl."""
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / ANSWERS, self.rows)
        text = json.dumps(self.data, ensure_ascii=False, indent=1)
        (folder / REPORT).write_text(f"{text}\n", encoding="utf-8")

    def metrics(self) -> Any:
        """A pandas frame: one row a metric; value, low, high, n."""
        import pandas as pd

        return pd.DataFrame.from_dict(self.data["metrics"], orient="index")

    def by_type(self) -> Any:
        """A pandas frame: one row a type of question, one column a metric."""
        import pandas as pd

        values = {
            kind: {name: found["value"] for name, found in figures["metrics"].items()}
            for kind, figures in self.data["by_type"].items()
        }
        return pd.DataFrame.from_dict(values, orient="index")

    def answers(self) -> Any:
        """A pandas frame: one row a question, with its answer and its metrics."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows]).set_index("id")


def summarise(
    rows: Sequence[Row], chosen: Mapping[str, Measure], seed: int, *, few: bool = False
) -> dict[str, Any]:
    """Each metric over these rows: name -> value, low, high, n."""
    out: dict[str, Any] = {}
    for name, measure in chosen.items():
        found = [row["rows"][name] for row in rows if row["rows"].get(name) is not None]
        one = measure.estimate(found, seed, few) if found else Estimate(None, None, None, 0)
        out[name] = one.to_dict()
    return out


def curves(rows: Sequence[Row]) -> dict[str, Any]:
    """The points of the risk-coverage curve and of the reliability diagram."""
    risk = [row["rows"]["aurc"] for row in rows if row["rows"].get("aurc")]
    sure = [
        row["rows"]["calibration_error"] for row in rows if row["rows"].get("calibration_error")
    ]
    coverage, loss = risk_coverage([r[0] for r in risk], [r[1] for r in risk])
    share = len(risk) / len(rows) if rows else 0.0
    return {
        "risk_coverage": [
            [round(float(c) * share, 4), round(float(v), 4)]
            for c, v in zip(coverage, loss, strict=True)
        ],
        "reliability": [list(b) for b in reliability([s[0] for s in sure], [s[1] for s in sure])],
    }


def _flat(row: Row) -> dict[str, Any]:
    answer = row["answer"]
    plain = {name: found[0] for name, found in row["rows"].items() if found and len(found) == 1}
    return {
        "id": row["id"],
        "type": row["question"].get("type", "other"),
        "question": row["question"]["question"],
        "answer": answer["text"],
        "refused": answer["refused"],
        "refusal": (answer.get("refusal") or {}).get("kind"),
        "confidence": row["confidence"],
        **plain,
    }

"""Is what answers the question among what was found? By ir-measures, so that figures compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RETRIEVAL = ("nDCG@10", "R@100", "RR", "Success@5")
"""Measures in the notation of ir-measures (MacAvaney et al., Streamlining Evaluation with
ir-measures, ECIR 2022)."""


def per_query(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Sequence[str]],
    measures: Sequence[str] = RETRIEVAL,
) -> dict[str, dict[str, float]]:
    """Each measure's value for each query of `qrels`: measure -> query -> value in [0, 1].

    `qrels` maps query to document to grade, `run` query to documents, best first; a query that
    the run lacks counts 0. nDCG: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR
    Techniques, TOIS 2002. RR, the mean of which is MRR: Voorhees, The TREC-8 Question Answering
    Track Report, 1999.
    """
    import ir_measures

    parsed = {ir_measures.parse_measure(name): name for name in measures}
    # Every query is in the run, or ir-measures would leave it out of the mean. Scores fall with
    # the rank, for the tool orders ties by name.
    scored = {q: {d: 1.0 / rank for rank, d in enumerate(run.get(q, ()), 1)} for q in qrels}
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    plain = {q: dict(found) for q, found in qrels.items()}
    for found in ir_measures.iter_calc(list(parsed), plain, scored):
        values[parsed[found.measure]][found.query_id] = float(found.value)
    return values


def relevant_found(ranked: Sequence[str], relevant: Sequence[str], k: int) -> float | None:
    """Share of the relevant ids among the first k; None where none is relevant."""
    wanted = set(relevant)
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else None

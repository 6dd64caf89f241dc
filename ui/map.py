"""The collection at once: a treemap of topics, and every paper as a dot.

Papers stand where their own vectors put them: the mean of what the index holds for a paper. Topics
are k-means clusters on the sphere (Dhillon and Modha, Concept Decompositions, Machine Learning
2001), named by class-based TF-IDF (Grootendorst, BERTopic, 2022). Numpy does all of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from rag.chatbot import Chatbot
from rag.index import cut
from rag.manifest import Manifest
from rag.types import Paper
from ui import render
from ui.collection import remembered
from ui.words import words

_TOPICS = 24
_ROUNDS = 25
_SHOWN = 40  # papers listed of one topic; the nearest to its middle
_DOTS = 3000
_COLOURS = 6
_WIDTH, _STEPS = 6, 12  # of the iteration that finds principal components

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]  # left, top, width, height, in per cent


@dataclass(frozen=True, slots=True)
class Topic:
    """Some papers that lie together, the most typical first, and the words that name them."""

    name: str
    papers: tuple[int, ...]


def drawn(bot: Chatbot) -> str:
    """The map as HTML; made once for each state of the collection."""
    return remembered(bot, "map", lambda: _drawn(*paper_vectors(bot)))


def paper_vectors(bot: Chatbot) -> tuple[list[Paper], Floats]:
    """Indexed papers and their unit vectors, shape (papers, dimension); no model is run."""
    manifest = Manifest.read(bot.home / "index")
    if manifest is None:
        return [], np.zeros((0, 1), np.float32)
    library, found = bot._collection.library(), dict[str, list[bytes]]()
    kept: dict[str, Paper] = {}
    for chunk, paper, key in cut(library.papers(), manifest.recipe.max_chars):
        found.setdefault(chunk.paper_id, []).append(key)
        kept[chunk.paper_id] = paper
    hashes = [key for keys in found.values() for key in keys]
    vectors = library.cached_vectors(hashes, manifest.recipe.embedding)
    whole = [name for name, keys in found.items() if all(key in vectors for key in keys)]
    if not whole:
        return [], np.zeros((0, 1), np.float32)
    means = np.stack([np.mean([vectors[key] for key in found[name]], axis=0) for name in whole])
    return [kept[name] for name in whole], _unit(means)


def cluster(vectors: Floats, count: int) -> NDArray[np.intp]:
    """The topic of each vector, in [0, count); the same vectors always give the same topics."""
    centres = _first_centres(vectors, count)
    labels = np.zeros(len(vectors), np.intp)
    for _ in range(_ROUNDS):
        new = np.argmax(vectors @ centres.T, axis=1)
        if np.array_equal(new, labels):
            break
        labels = new
        for topic in range(count):
            mine = vectors[labels == topic]
            if len(mine):
                centres[topic] = _unit(mine.mean(axis=0, keepdims=True))[0]
    return labels


def topics(papers: Sequence[Paper], vectors: Floats, labels: NDArray[np.intp]) -> list[Topic]:
    """Topics, the largest first, each named by the words that it has more of than the rest."""
    bags = [Counter(set(words(f"{p.title} {p.abstract}"))) for p in papers]
    every: Counter[str] = sum(bags, Counter())
    made = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        centre = vectors[members].mean(axis=0)
        order = members[np.argsort(-(vectors[members] @ centre), kind="stable")]
        bag: Counter[str] = sum((bags[i] for i in members), Counter())
        made.append(Topic(_name(bag, every, len(members), len(papers)), tuple(map(int, order))))
    return sorted(made, key=lambda topic: -len(topic.papers))


def squarify(sizes: Sequence[float], box: Box = (0.0, 0.0, 100.0, 100.0)) -> list[Box]:
    """Boxes whose areas are as the sizes, and near to square (Bruls, Huizing, van Wijk, 2000).

    Sizes are positive, largest first; the boxes fill the given one.
    """
    left, top, width, height = box
    boxes: list[Box] = []
    rest, total = list(sizes), float(sum(sizes))
    while rest:
        short = min(width, height)
        scale = width * height / total
        row = _row([size * scale for size in rest], short)
        thick = sum(row) / short
        at = 0.0
        for area in row:
            length = area / thick
            place = (left, top + at, thick, length) if width >= height else (
                left + at, top, length, thick
            )  # fmt: skip
            boxes.append(place)
            at += length
        left, top, width, height = (
            (left + thick, top, width - thick, height)
            if width >= height
            else (left, top + thick, width, height - thick)
        )
        total -= sum(rest[: len(row)])
        rest = rest[len(row) :]
    return boxes


def spread(vectors: Floats, labels: NDArray[np.intp]) -> Floats:
    """Two coordinates in [0, 1] for each: topics by their principal axes, members around them.

    Plain principal components of all papers fall into one heap in the middle. Ranks instead of
    values keep the topics apart, and each topic's members lie by its own two axes.
    """
    names, inverse = np.unique(labels, return_inverse=True)
    centres = np.stack([vectors[labels == name].mean(axis=0) for name in names])
    places = _ranked(_axes(centres))
    out = np.zeros((len(vectors), 2), np.float32)
    radius = 0.42 / math.sqrt(max(len(names), 1))
    for number in range(len(names)):
        members = np.flatnonzero(inverse == number)
        inner = _ranked(_axes(vectors[members])) - 0.5
        out[members] = places[number] + 2 * radius * inner
    low, high = out.min(axis=0), out.max(axis=0)
    scaled: Floats = (out - low) / np.maximum(high - low, 1e-9)
    return scaled


def _drawn(papers: list[Paper], vectors: Floats) -> str:
    if len(papers) < 3:
        return render.notice("A map needs at least three indexed papers.")
    count = min(max(int(math.sqrt(len(papers) / 2)), 2), _TOPICS, len(papers))
    labels = cluster(vectors, count)
    found = topics(papers, vectors, labels)
    boxes = squarify([len(topic.papers) for topic in found])
    tiles = "".join(
        _tile(n, t, papers, b) for n, (t, b) in enumerate(zip(found, boxes, strict=True))
    )
    topic_of = {index: n for n, topic in enumerate(found) for index in topic.papers}
    dots = _dots(papers, spread(vectors, labels), topic_of)
    lists = "".join(_listed(number, topic, papers) for number, topic in enumerate(found))
    shown = f" (every {math.ceil(len(papers) / _DOTS)}th)" if len(papers) > _DOTS else ""
    return render.clean(
        f'<div class="map"><h3>{len(papers):,} papers in {len(found)} topics</h3>'
        f'<div class="treemap">{tiles}</div><h3>Each paper as a dot{shown}</h3>'
        f'<div class="scatter">{dots}</div><h3>Topics</h3>{lists}</div>'
    )


def _tile(number: int, topic: Topic, papers: Sequence[Paper], box: Box) -> str:
    room = 4 + int(box[2] * box[3] / 200)  # titles; what does not fit is cut off
    shown = topic.papers[:room]
    titles = "".join(f"<small>{render.text(papers[i].title)}</small>" for i in shown)
    return (
        f'<div class="topic t{number % _COLOURS}" style="{_placed(box)}">'
        f'<a class="tile" href="#topic-{number}"><b>{render.text(topic.name)} '
        f"({len(topic.papers):,})</b>{titles}</a></div>"
    )


def _dots(papers: Sequence[Paper], places: Floats, topic_of: dict[int, int]) -> str:
    """Each leads to its paper's own page, or to its topic below where the paper has none."""
    step = math.ceil(len(papers) / _DOTS)
    out = []
    for index in range(0, len(papers), step):
        x, y = 2 + 96 * places[index]
        side = " right" if x > 60 else ""
        link, topic = render.web_link(papers[index].url), topic_of[index]
        title, kind = render.text(papers[index].title), "" if link else " tile"
        out.append(
            f'<span style="left:{x:.1f}%;top:{y:.1f}%" class="dot">'
            f'<a class="t{topic % _COLOURS}{side}{kind}" '
            f'href="{escape(link) or f"#topic-{topic}"}">'
            f'<span class="sr">{title}</span><span class="pop" role="tooltip">{title}</span></a>'
            f"</span>"
        )
    return "".join(out)


def _listed(number: int, topic: Topic, papers: Sequence[Paper]) -> str:
    items = "".join(f"<li>{_line(papers[i])}</li>" for i in topic.papers[:_SHOWN])
    more = len(topic.papers) - _SHOWN
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    question = f"What do the papers on {topic.name} find?"
    return (
        f'<details class="card" id="topic-{number}"><summary>{render.text(topic.name)} '
        f"({len(topic.papers):,})</summary><p>"
        f'<button type="button" class="about">Ask about these</button> '
        f'<span class="question-text">{render.text(question)}</span></p><ul>{items}</ul>{rest}'
        f"</details>"
    )


def _line(paper: Paper) -> str:
    link, title = render.web_link(paper.url), render.text(paper.title)
    return f'<a href="{escape(link)}">{title}</a>' if link else title


def _placed(box: Box) -> str:
    left, top, width, height = box
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{width:.2f}%;height:{height:.2f}%"


def _row(areas: Sequence[float], short: float) -> list[float]:
    """As many areas as make a row whose worst box is as square as can be."""
    row = [areas[0]]
    for area in areas[1:]:
        if _worst([*row, area], short) > _worst(row, short):
            break
        row.append(area)
    return row


def _worst(row: Sequence[float], short: float) -> float:
    total = sum(row) ** 2
    return max(short**2 * max(row) / total, total / (short**2 * min(row)))


def _first_centres(vectors: Floats, count: int) -> Floats:
    """As k-means++ chooses them (Arthur and Vassilvitskii, SODA 2007), with a fixed seed."""
    rng = np.random.default_rng(7)
    chosen = [int(np.argmax(vectors @ vectors.mean(axis=0)))]
    far = 1.0 - vectors @ vectors[chosen[0]]
    while len(chosen) < count:
        weight = np.maximum(far, 1e-9).astype(np.float64) ** 2
        chosen.append(int(rng.choice(len(vectors), p=weight / weight.sum())))
        far = np.minimum(far, 1.0 - vectors @ vectors[chosen[-1]])
    centres: Floats = vectors[chosen].copy()
    return centres


def _axes(vectors: Floats) -> Floats:
    """The two principal components, by subspace iteration; signs do not depend on the machine."""
    centred = vectors - vectors.mean(axis=0)
    if len(vectors) < 3:
        return np.pad(centred[:, :2], ((0, 0), (0, max(0, 2 - centred.shape[1]))))
    start = np.random.default_rng(7).normal(size=(vectors.shape[1], _WIDTH)).astype(np.float32)
    axes, _ = np.linalg.qr(start)
    for _ in range(_STEPS):
        axes, _ = np.linalg.qr(centred.T @ (centred @ axes))
    axes = axes[:, :2]
    axes = axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), range(axes.shape[1])])
    projected: Floats = centred @ axes
    return projected


def _ranked(points: Floats) -> Floats:
    """Half rank, half value, each in [0, 1]: apart from each other, but not on a grid."""
    ranks = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0, kind="stable")
    low, high = points.min(axis=0), points.max(axis=0)
    values = (points - low) / np.maximum(high - low, 1e-9)
    mixed: Floats = (0.5 * ranks / max(len(points) - 1, 1) + 0.5 * values).astype(np.float32)
    return mixed


def _name(bag: Counter[str], every: Counter[str], size: int, total: int) -> str:
    def weight(word: str) -> float:
        return bag[word] / size * math.log(1 + total / every[word])

    frequent = [word for word, n in bag.items() if n >= max(min(2, size), 0.15 * size)]
    best = sorted(frequent, key=lambda word: (-weight(word), word))[:3]
    return ", ".join(best) or "other"


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return unit

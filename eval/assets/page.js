"use strict";
// Everything that people or models wrote is set as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const STEP = 25;
let shown = STEP;

function make(tag, css, text) {
  const element = document.createElement(tag);
  if (css) element.className = css;
  if (text !== undefined) element.textContent = text;
  return element;
}

const unsound = (q) => q.sentences.some((s) => s.verdict !== "supported");
const FILTERS = {
  "": () => true,
  faults: (q) => q.bad > 0,
  answered: (q) => !q.refusal,
  refused: (q) => q.refusal && q.refusal.kind !== "backend_failed",
  "wrongly-refused": (q) => q.refusal && q.answerable === true && q.refusal.kind !== "backend_failed",
  "wrongly-answered": (q) => !q.refusal && q.answerable === false && !q.corrected,
  unsound,
};
const ORDERS = {
  bad: (a, b) => b.bad - a.bad,
  confidence: (a, b) => b.confidence - a.confidence,
  unsure: (a, b) => a.confidence - b.confidence,
  slow: (a, b) => b.seconds - a.seconds,
  file: () => 0,
};

function chosen() {
  const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const type = at("type").value;
  const keep = FILTERS[at("what").value];
  return data.questions
    .filter((q) => keep(q) && (!type || q.type === type))
    .filter((q) => {
      const text = [q.id, q.question, ...q.sentences.map((s) => s.text)].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort(ORDERS[at("order").value]);
}

function sentence(s) {
  const line = make("div", `sentence ${s.verdict}`);
  line.append(`${s.text} ${s.citations.map((m) => `[${m}]`).join("")}`);
  line.append(make("span", "verdict", `${s.verdict} ${s.score.toFixed(2)}`));
  return line;
}

// The abstract with the cited spans marked, and the right sentences in another colour.
function abstract(paper, spans, gold) {
  const text = paper.abstract;
  const all = spans.map((c) => ({ start: c.start, end: c.end, label: `[${c.marker}]` }));
  for (const wanted of gold) {
    const start = text.indexOf(wanted);
    if (start >= 0) all.push({ start, end: start + wanted.length, label: "right", gold: true });
  }
  all.sort((a, b) => a.start - b.start);
  const body = make("div");
  let from = 0;
  for (const span of all) {
    if (span.start < from) continue;
    body.append(text.slice(from, span.start));
    const mark = make("mark", span.gold ? "gold" : "", text.slice(span.start, span.end));
    body.append(mark, make("small", "", ` ${span.label} `));
    from = span.end;
  }
  body.append(text.slice(from));
  return body;
}

function paper(id, q) {
  const found = data.papers[id];
  const box = make("div", "paper");
  const right = q.gold.includes(id);
  const role = right ? "a right paper" : q.gold.length ? "not a right paper" : "";
  const title = found ? `${found.title}${found.year ? ` (${found.year})` : ""}` : id;
  box.append(make("b", "", title));
  const cited = q.citations.filter((c) => c.paper_id === id);
  box.append(make("small", "", [cited.length ? "cited" : "not cited", role].filter(Boolean).join(", ")));
  if (found) box.append(abstract(found, cited, q.goldSentences));
  return box;
}

function article(q) {
  const box = make("article");
  box.append(make("h3", "", q.question));
  if (q.turns.length) box.append(make("div", "meta", `after: ${q.turns.join(" / ")}`));
  const can = q.answerable === null || q.answerable === undefined ? "" : q.answerable ? "answerable" : "not answerable";
  const meta = [q.id, q.type, can, `confidence ${q.confidence.toFixed(2)}`, `${q.seconds.toFixed(2)} s`];
  box.append(make("div", "meta", meta.filter(Boolean).join(" · ")));
  box.append(make("div", q.why.length ? "why" : "fine", q.why.length ? q.why.join("; ") : "no fault found"));
  if (q.refusal) box.append(make("p", "", `Refused (${q.refusal.kind}): ${q.refusal.message}`));
  for (const s of q.sentences) box.append(sentence(s));
  if (q.correction) box.append(make("div", "meta", `what is so: ${q.correction}`));
  if (q.facts.length) {
    const said = q.facts.map(([words, found]) => `${found ? "✓" : "✗ missing:"} ${words}`);
    box.append(make("div", "meta", `key facts: ${said.join("; ")}`));
  }
  const ids = [...new Set([...q.citations.map((c) => c.paper_id), ...q.gold])];
  if (ids.length) {
    const more = make("details");
    more.append(make("summary", "", `Evidence (${ids.length} paper${ids.length > 1 ? "s" : ""})`));
    more.addEventListener("toggle", () => {
      if (more.open && more.childElementCount === 1) more.append(...ids.map((id) => paper(id, q)));
    });
    box.append(more);
  }
  return box;
}

function draw() {
  const found = chosen();
  at("list").replaceChildren(...found.slice(0, shown).map(article));
  at("count").textContent = `${found.length} of ${data.questions.length}`;
  at("more").hidden = found.length <= shown;
}

for (const type of [...new Set(data.questions.map((q) => q.type))].sort()) {
  const option = make("option", "", type);
  option.value = type;
  at("type").append(option);
}
for (const id of ["what", "type", "order", "find"]) {
  at(id).addEventListener("input", () => { shown = STEP; draw(); });
}
at("more").addEventListener("click", () => { shown += 4 * STEP; draw(); });
draw();

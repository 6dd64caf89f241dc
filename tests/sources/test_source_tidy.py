import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources._languages import language
from rag.sources._tidy import tidy, tidy_abstract

ENOUGH = "A sentence that is long enough to be the abstract of some small paper."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # LaTeX
        (r"M{\"u}ller, Br\"{u}ck, na\"{\i}ve", "M\u00fcller, Br\u00fcck, na\u00efve"),
        (r"\'Etienne {\O}rsted Erd\H{o}s", "\u00c9tienne \u00d8rsted Erd\u0151s"),
        (r"\v{S}afr, Fran\c cois", "\u0160afr, Fran\u00e7ois"),
        (r"\L{}ukasz, Ma\~{n}ana", "\u0141ukasz, Ma\u00f1ana"),
        (r"it\'s, don\'t and \"so on\" stay text", "it's, don't and \\\"so on\\\" stay text"),
        (r"\emph{Deep \textbf{nets}} and {\em more}", "Deep nets and more"),
        (r"50\% of A\&B, \$5, x\_y \#1", "50% of A&B, $5, x_y #1"),
        (r"see Fig.~2 \cite{x,y}, \url{https://a.example/b}", "see Fig. 2, https://a.example/b"),
        (r"$\alpha$-divergence, \beta-VAE", "\u03b1-divergence, \u03b2-VAE"),
        (r"$O(n \log n)$ and $10^{-3}$", "O(n log n) and 10^-3"),
        (r"$\tilde{O}(\sqrt{n})$, $\frac{1}{2}$", "\u00d5(\u221an), 1/2"),
        (r"$x_i \in \mathbb{R}^{d+1}$", "x_i \u2208 R^(d+1)"),
        (r"the $k$-means, $3\times$ faster, $95\%$", "the k-means, 3\u00d7 faster, 95%"),
        (r"$\sum_{i} \foo{x}$ stays", r"$\sum_{i} \foo{x}$ stays"),
        (r"\(x^2\) and $\{0, 1\}$", "x^2 and {0, 1}"),
        ("``quoted'' once", "\u201cquoted\u201d once"),
        ("costs $5 and $10; US$5m and A$7m", "costs $5 and $10; US$5m and A$7m"),
        (r"C:\new\foo and 5~10", r"C:\new\foo and 5~10"),
        # markup
        ("H<sub>2</sub>O, 10<sup>-3</sup> m<sup>2</sup>", "H2O, 10^-3 m2"),
        ("p < 0.05 & x<b and c>d, AT&T", "p < 0.05 & x<b and c>d, AT&T"),
        ("AT&amp;T &lt;3 &alpha;&#x3b2;", "AT&T <3 \u03b1\u03b2"),
        ("&amp;lt;p&amp;gt;twice", "twice"),
        ('<p class="a">One</p><p>two<br/>three</p>', "One two three"),
        ("<script>alert(1)</script><b>bold</b><!-- no -->", "bold"),
        ("<jats:sec><jats:title>Aim</jats:title><jats:p>So.</jats:p></jats:sec>", "Aim: So."),
        ("<![CDATA[as <i>is</i>]]>", "as is"),
        (
            '<mml:math xmlns:mml="m"><mml:msup><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:msup>'
            "<mml:mo>+</mml:mo><mml:mfrac><mml:mi>a</mml:mi><mml:mrow><mml:mi>b</mml:mi>"
            "<mml:mo>+</mml:mo><mml:mn>1</mml:mn></mml:mrow></mml:mfrac></mml:math>",
            "x^2+a/(b+1)",
        ),
        ("<math><mi>x</mi><msqrt><mi>y</mi></msqrt></math>", "x\u221a(y)"),
        ("<math><mi>broken</math>", "broken"),
        # characters
        ("e\ufb03cient \ufb02ow, co\u00adop", "efficient flow, coop"),
    ],
)  # fmt: skip
def test_tidy(source, text):
    assert tidy(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Abstract\u2014We do", "We do"),
        ("ABSTRACT We do", "We do"),
        ("Abstract: X is", "X is"),
        ("Summary. X is", "X is"),
        ("Abstract - X is", "X is"),
        ("Abstract interpretation is", "Abstract interpretation is"),
        ("Abstract Syntax Trees are", "Abstract Syntax Trees are"),
        ("Abstract-domain methods", "Abstract-domain methods"),
        ("Abstract:", "Abstract:"),
        ("\u00a9 2019 IEEE. We do this.", "We do this."),
        (f"{ENOUGH} \u00a9 2020 Elsevier B.V. All rights reserved.", ENOUGH),
        (f"{ENOUGH} Copyright (C) 2004 John Wiley & Sons, Ltd.", ENOUGH),
        (f"{ENOUGH} (c) 2012 IEEE.", ENOUGH),
        (f"{ENOUGH} \u00a9 The Author(s) 2020. Published by Oxford University Press.", ENOUGH),
        (f"{ENOUGH} Published by Elsevier Ltd.", ENOUGH),
        (f"{ENOUGH} (PsycINFO Database Record (c) 2019 APA, all rights reserved)", ENOUGH),
        (f"{ENOUGH} Copyright law of 2003 is why.", f"{ENOUGH} Copyright law of 2003 is why."),
        (
            f"{ENOUGH} Copyright 2003 was the year. It is then that users began to copy.",
            f"{ENOUGH} Copyright 2003 was the year. It is then that users began to copy.",
        ),
        ("\u00a9 2020 Elsevier", "\u00a9 2020 Elsevier"),
    ],
)
def test_tidy_abstract(source, text):
    assert tidy_abstract(source) == text


@given(st.text(st.sampled_from("ab <>&;\\$${}^_'\"~`=-/p1.mathsub \n"), max_size=60))
def test_tidy_never_raises_and_stays_on_one_line(text):
    found = tidy_abstract(text)
    assert "\n" not in found
    assert found == found.strip()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\$<&`")))
def test_text_without_signs_of_markup_is_only_cleaned(text):
    from rag.sources import clean

    assert tidy(text) == clean(text)


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", '<a b="', "<math>", "<!--", "<script>", "<sup>", "&", "&a", "$", "$x", "\\", "\\(",
     "{", "\\emph{", "{\\em ", "\\'", '\\"', "``", "~a", "\\frac{", "<![CDATA[", "<tex-math>",
     "<h1>", "\\cite", "[\\cite", "1<sup>", "\u00a9 ", "Copyright ", ". (c) "],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "-->]]></math></script></tex-math></h1></sup>}$\\)"])
def test_no_text_takes_more_than_linear_time(piece, before):
    started = time.perf_counter()
    tidy_abstract(before + piece * (50_000 // len(piece)))
    assert time.perf_counter() - started < 8  # quadratic would be 20 and more


@pytest.mark.parametrize(
    ("name", "code"),
    [("eng", "en"), ("English", "en"), ("en-US", "en"), ("ger", "de"), ("ngerman", "de"),
     ("zh", "zh"), ("tlh", "tlh"), ("und", None), ("no language", "no"), ("x1", None), ("", None)],
)  # fmt: skip
def test_language(name, code):
    assert language(name) == code


def test_no_source_of_the_house_needs_a_second_cleaning():
    sample = Path(__file__).parents[2] / "rag/sample/papers.jsonl"
    for line in sample.read_text(encoding="utf-8").split("\n"):
        assert tidy(tidy(line)) == tidy(line)

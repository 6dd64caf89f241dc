"""Words that mean the opposite of each other in findings: more and less, promote and inhibit.

By stem, so that 'increases', 'increased' and 'increasing' are one word. Two words are opposites
where they stand on different sides of one axis; a word may stand on several.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from rag.lexical import stem

# Of these a sentence may hold both sides, each at its place: "higher recall at lower cost".
_GRADED = (
    (  # how much
        """more higher high highest larger large largest greater great greatest bigger big most many
        increase increment rise rose risen raise grow grew grown growth elevate elevation augment
        enlarge expand escalate surge double exceed above gain heavier majority maximal maximum
        boost enrich strengthen longer long longest wider broader thicker deeper upregulate
        upregulation frequent frequently abundant enhance amplify prolong extend intensify""",
        """less lower low lowest smaller small smallest fewer few fewest least little decrease
        reduce reduction drop decline diminish shrink shrank fall fell fallen shorten shorter short
        shortest lessen attenuate deplete depletion below lose lost loss lighter minority minimal
        minimum weaken narrower thinner shallower downregulate downregulation rare rarely scarce
        impair dampen curtail cut halve suppress inhibit limit""",
    ),
    (  # how good
        """better best good well superior improve improvement benefit beneficial advantage
        advantageous enhance enhancement strengthen strength win won success succeed successful
        favorable favourable healthy helpful help useful gain outperform surpass exceed beat
        lead excel promising robust boost upgrade desirable ameliorate alleviate""",
        """worse worst bad badly poor poorly inferior worsen deteriorate deterioration degrade
        degradation harm harmful drawback disadvantage disadvantageous impair impairment weaken
        weakness lose lost failure fail unfavorable unfavourable unhealthy detrimental useless
        loss underperform trail lag hurt damage fragile exacerbate aggravate hinder undesirable""",
    ),
    (  # whether it makes or stops
        """promote activate activation stimulate stimulation induce induction enhance enhancement
        facilitate facilitation cause enable trigger increase upregulate upregulation accelerate
        permit allow support drive initiate provoke evoke elicit potentiate restore rescue
        express produce generate agonist stabilize preserve maintain require""",
        """inhibit inhibition inhibitory inactivate deactivate deactivation suppress suppression
        block blockade prevent prevention repress repression impair hinder hamper reduce reduction
        decrease downregulate downregulation attenuate abolish abrogate disrupt halt stop disable
        antagonize antagonist silence deplete destabilize destroy ablate eliminate preclude
        forbid prohibit avoid""",
    ),
    ("protect protective protection safeguard", "endanger expose harm damage threaten risk"),
    ("faster fast fastest quick quicker quickly rapid rapidly accelerate speed swift soon sooner",
     "slower slow slowest slowly decelerate delay gradual gradually sluggish late"),
    ("before prior preceding early earlier earliest precede preoperative pretreatment",
     """after following subsequent subsequently late later latest follow postoperative
     posttreatment"""),
)  # fmt: skip
# Of these a word that both sentences have is the same word, wherever it stands.
_KINDS = (
    ("during", "after"),
    ("during", "before"),
    ("with including include containing", "without excluding exclude lacking"),
    ("sensitive sensitivity susceptible susceptibility vulnerable", "resistant resistance immune"),
    ("above", "below beneath under"),
    ("positive positively", "negative negatively"),
    ("agonist", "antagonist"),
    ("cheap cheaper cheapest inexpensive affordable", "expensive costly costlier dear dearer"),
    ("long longer longest prolonged", "short shorter shortest brief"),
    ("strong stronger strongest strongly", "weak weaker weakest weakly"),
    ("easy easier easily simple simpler", "hard harder difficult complex complicated"),
    ("present presence exist", "absent absence lack missing"),
    ("same similar similarly alike equal comparable identical consistent",
     "different differently differ dissimilar distinct contrary unequal inconsistent"),
    ("common commonly frequent frequently often usual prevalent always",
     "rare rarely infrequent seldom uncommon unusual never"),
    ("safe safely safety harmless", "dangerous unsafe hazardous toxic harmful risky"),
    ("beneficial benefit", "harmful harm detrimental adverse"),
    ("support confirm corroborate agree consistent", "contradict refute oppose disprove reject"),
    ("able capable can", "unable incapable cannot"),
    ("necessary required require essential indispensable mandatory need",
     "unnecessary optional dispensable redundant needless"),
    ("dependent dependently depend", "independent independently"),
    ("likely probable probably", "unlikely improbable"),
    ("major main primary", "minor secondary negligible marginal"),
    ("first", "last"),
    ("old older oldest elderly", "young younger youngest"),
    ("open", "closed"),
    ("gain", "loss"),
    ("active actively", "inactive passive"),
    ("accept", "reject"),
    ("include inclusion", "exclude exclusion"),
    ("acute", "chronic"),
    ("benign", "malignant"),
    ("internal inner", "external outer"),
    ("local locally", "global globally"),
    ("static", "dynamic"),
    ("online", "offline"),
    ("stable stability", "unstable instability"),
    ("survive survival alive", "die death dead mortality"),
    ("all every", "none"),
    ("everywhere", "nowhere"),
    ("maximize maximal maximum", "minimize minimal minimum"),
    ("expand expansion", "contract contraction shrink"),
    ("attract", "repel"),
    ("import", "export"),
    ("proximal", "distal"),
    ("upstream", "downstream"),
    ("heterogeneous", "homogeneous"),
    ("known", "unknown"),
    ("possible feasible", "impossible infeasible"),
    ("deep deeper", "shallow shallower"),
    ("wide wider broad broader", "narrow narrower"),
    ("thick thicker", "thin thinner"),
    ("heavy heavier", "light lighter"),
    ("hot warm heat warming", "cold cool cooling"),
    ("wet", "dry"),
    ("new novel recent modern", "old ancient obsolete outdated"),
    ("true correct right truth", "false wrong incorrect"),
    ("central", "peripheral"),
    ("full complete completely fully whole entire total", "empty partial partially partly half"),
    ("single one individual alone", "multiple several many jointly together"),
    ("general generic universal generally", "specific particular special specifically"),
    ("begin start onset commence beginning", "end finish stop cease ending"),
    ("birth born", "death"),
    ("male man men maternal boy", "female woman women girl"),
    ("maternal mother", "paternal father"),
    ("adult", "juvenile child children infant"),
    ("urban", "rural"),
    ("public publicly", "private privately"),
    ("left", "right"),
    ("top upper", "bottom lower"),
    ("dorsal posterior", "ventral anterior"),
    ("medial", "lateral"),
    ("horizontal", "vertical"),
    ("forward", "backward reverse"),
    ("discrete", "continuous"),
    ("explicit explicitly", "implicit implicitly"),
    ("prospective prospectively", "retrospective retrospectively"),
    ("systolic", "diastolic"),
    ("homozygous", "heterozygous"),
    ("synthesis", "degradation"),
    ("temporary temporarily transient transiently", "permanent permanently"),
    ("former", "latter"),
    ("day daytime", "night nighttime"),
    ("summer", "winter"),
    ("near close nearby", "far distant remote"),
    ("abundance abundant plentiful", "scarcity scarce shortage"),
    ("combine combined joint jointly", "separate separately separated"),
    ("agree agreement", "disagree disagreement conflict"),
    ("show reveal", "hide conceal"),
    ("complexity", "simplicity"),
    ("normal", "abnormal pathological"),
    ("mild", "severe"),
    ("smooth", "rough"),
    ("soft", "hard"),
    ("add addition", "remove removal subtract subtraction"),
    ("reward", "penalty punish"),
    ("win winner", "lose loser"),
    ("clear clearly", "unclear ambiguous"),
    ("best", "worst"),
    ("optimal optimally", "suboptimal"),
    ("succeed success", "fail failure"),
    ("effective effectively efficacious", "ineffective ineffectively futile"),
)  # fmt: skip
_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "anti", "mis", "ab", "sub", "de", "a")
_LEAST = {"a": 6, "sub": 6, "de": 6, "ab": 5}  # letters that must be left of the word
_NO_DENIALS = frozenset(
    """antibody antibodies cover discover improve improved improves improving inform information
    display disease discharge import impress income instance distance mission missing mistake
    impact invent invention dispose input under until instead indeed unit include including
    dispatch dispute inverse involve inside internal interest instant abstract subject submit
    subset substitute deliver decode depart detail determine develop apart along alone around
    amount across arise depress decrease degree impart impose inflow insight intake institute
    insulate intense intension invest transform disclose discourse discover dissolve distract
    mislead anticipate united unique union unity universe until illustrate irradiate""".split()
)
_PAIRED = tuple(
    pair.split()
    for pair in (
        "up down|over under|hyper hypo|pre post|pro anti|intra extra|inter intra|endo exo|"
        "macro micro|homo hetero|mono poly|uni multi|in ex|out under"
    ).split("|")
)
_ENDINGS = (("philic", "phobic"), ("ful", "less"), ("genic", "static"))
_JOINTS = re.compile(r"[-−–'’./]+")

Poles = dict[str, int]
"""Axis -> side, 1 or -1."""


@cache
def _table() -> dict[str, Poles]:
    table: dict[str, Poles] = {}
    for axis, sides in enumerate((*_GRADED, *_KINDS)):
        for sign, words in zip((1, -1), sides, strict=True):
            for word in words.split():
                table.setdefault(stem(word), {}).setdefault(_name(axis), sign)
    return table


def _name(axis: int) -> str:
    return f"{'graded' if axis < len(_GRADED) else 'kind'} {axis}"


def is_graded(axis: str) -> bool:
    return axis.startswith("graded")


@lru_cache(maxsize=50_000)
def poles(word: str) -> Poles:
    """The axes that a word stands on; of 'up-regulated' also what its prefix says."""
    bare = _JOINTS.sub("", word.lower())
    root = stem(bare)
    found = dict(_table().get(root, {}))
    for up, down in _PAIRED:
        for prefix, sign in ((up, 1), (down, -1)):
            rest = root.removeprefix(prefix)
            if rest != root and len(rest) > 3:
                found[f"{up}/{down} {rest}"] = sign
    for full, empty in _ENDINGS:
        for ending, sign in ((full, 1), (empty, -1)):
            if bare.endswith(ending) and len(bare) > len(ending) + 3:
                found[f"{full}/{empty} {bare.removesuffix(ending)}"] = sign
    return found


@lru_cache(maxsize=50_000)
def denied(word: str) -> frozenset[str]:
    """Stems of what a prefix may deny: of 'inaccurate', 'accur'. Most of these are no words."""
    bare = _JOINTS.sub("", word.lower())
    if bare in _NO_DENIALS:
        return frozenset()
    cut = ((prefix, bare.removeprefix(prefix)) for prefix in _PREFIXES)
    return frozenset(
        stem(rest) for prefix, rest in cut if rest != bare and len(rest) >= _LEAST.get(prefix, 4)
    )

"""``modelcollapse explore``: a page in the browser that drags size, share, regime and time, and sees what collapses.

The page is plain HTML that this package holds (``page/``). It asks a server of the standard library, on 127.0.0.1
alone, which answers by ``mc.simulate`` and ``run.predict()``; in the documentation the same page reads ``tables.json``,
which ``modelcollapse.explore.tables`` wrote from the same answers.

The address that the command prints ends in ``?token=...``. The page sends that token as the header ``X-Token`` with
each ``POST api/NAME``; body and answer are JSON. An answer that cannot be given is ``{"refused": "a sentence"}`` with
status 200. Another token or Host is status 403, an unknown name 404, no JSON object 400, a body that is too long 413.

``start`` ``{}``
    ``{version, live, regimes: [{name, label, words, share, share_label, counted}], presets: [{name, label, words,
    states, weights}], sizes, shares, items: a row for each share, how many items it comes to at each size,
    temperatures, generations: {low, high, default}, observables: [{name, label, unit, words}], band, chains,
    texts: [{name, label, words}], text: {sizes, orders, shares, regimes: [{name, label, words, share}],
    generations: {low, high, default}}, questions: [{name, label, sentence, blanks: [{name, label, kind, low, high,
    default, choices, optional}]}], default: a body of ``simulate``, default_text: a body of ``text``,
    limits: {body, states, text}}``.
    ``sentence`` has its ``blanks`` in braces. ``kind`` is ``whole``, ``number``, ``choice`` or ``choices`` (several).
    Where ``optional`` is true the blank may be left empty, and ``default`` may be null.
``simulate`` ``{source, regime, share, temperature, size, generations, seed}``
    ``source`` is ``{preset: NAME}`` or ``{states: [...], weights: [...]}``; states of weight 0 are left out. Regimes
    without a share read none, and take null for it.
    ``{generations, states, curves: {OBSERVABLE: {label, unit, count, median, low, high, mean, chains, exact}}, laws,
    alive, call, seconds}``. ``count`` is how many chains the statistics are of; the curve ``tail`` is left out where no
    state is rare. ``exact`` is null, or ``{values, formula, theorem, conditions, order, kind}``; ``kind`` is ``mean``,
    ``lower bound`` or ``upper bound``. ``laws`` is one law on ``states`` for each generation, of the first chain;
    beyond 40 states the last entry holds all others together. ``alive`` is how many states that chain has left.
``read`` ``{text, kind, column}``
    ``kind`` is ``counts``, ``words`` or ``csv``; ``column`` (null, or a name) is for the last. ``{states, weights,
    said}``, or ``{refused, columns}`` where a column has to be chosen.
``plan`` ``{question, values, setting}``
    ``values`` by the names of the blanks; ``setting`` is a body of ``simulate`` or null: its law is asked about where
    the blank ``zipf`` is left empty. ``{answer, details, theorem, command}``: a sentence, a list of sentences, the name
    of the theorem, and the command line (or Python, for a law of one's own) that gives the same. What would take
    long is refused with that command (``bounds.py``).
``text`` ``{text, order, size, regime, share, generations, seed}``
    ``text`` is ``{name: NAME}`` or ``{own: "..."}``. ``{generations, texts, curves: {perplexity, loss, words, ngrams},
    call, seconds, said}`` with curves as above and one text for each generation.

Where the page finds ``tables.json`` beside itself, that is ``{start, answers: {KEY: answer of simulate}, texts: {KEY:
answer of text}}``; in ``start``, ``live`` is false and the lists hold what there are answers for. A key is
``preset/regime/share/temperature/size``, its numbers as JavaScript writes them and ``share`` ``-`` for regimes without
one; of a text ``name/regime/share/order/size``. The number of generations is the default one, the seed 0.
"""

from modelcollapse.explore.server import Explorer as Explorer
from modelcollapse.explore.server import serve as serve

__all__ = ["Explorer", "serve"]

"use strict";
// The two tabs with pictures, the planner, and the start of the page.

const benches = {};

// ---- categories

const bars = new Chart($("bars"), barsOptions, barsData);

// the real law on the states of an answer, which puts rare ones together where there are many
function realLaw(answer, { states, weights }) {
  const total = weights.reduce((sum, x) => sum + x, 0);
  const named = new Map(states.map((state, i) => [state, weights[i] / total]));
  const found = answer.states.map((state) => named.get(state) ?? 0);
  const rest = 1 - found.reduce((sum, x) => sum + x, 0);
  if (existing(weights) > answer.states.length) found[found.length - 1] = Math.max(0, rest);
  return found;
}

// a state whose weight is 0 is none
function existing(weights) {
  return weights.filter((weight) => weight > 0).length;
}

// states and weights of the source of a request
function lawOf(source) {
  return source.preset ? library.start.presets.find(({ name }) => name === source.preset) : source;
}

function takeOwn({ states, weights }) {
  memory.own = { states, weights };
  for (const option of [...$("law").options]) if (option.value === "own") option.remove();
  $("law").append(element("option", { value: "own" }, ownName(states)));
}

function ownName(states) {
  return `Your own data (${plural(states.length, "category", "categories")})`;
}

function makeLaws(start) {
  fillSelect($("law"), start.presets, start.default.source.preset);
  const bench = new Bench(
    "laws",
    {
      regimes: start.regimes,
      sliders: {
        share: start.shares,
        size: start.sizes,
        temperature: start.temperatures,
        generations: range(start.generations.low, start.generations.high),
      },
    },
    start.default,
    {
      body: (common) => {
        const own = $("law").value === "own" && memory.own;
        return { source: own ? { states: own.states, weights: own.weights } : { preset: $("law").value }, ...common };
      },
      ready: (answer, { source }) => {
        const law = lawOf(source);
        bench.real = realLaw(answer, law);
        bench.whole = existing(law.weights);
      },
      showGeneration: (answer, shown) => {
        const rarest = Math.min(...bench.real.filter((x) => x > 0));
        const log = { fitting: rarest < Math.max(...bench.real) / 12, linear: false, log: true }[$("scale").value];
        bars.show({ answer, real: bench.real, shown: () => bench.shown.value, log });
        fillLegend($("bars-legend"), LEGEND.bars(look()));
        const sentence = lawSentence(answer, shown, bench.whole, bench.real);
        $("bars-said").textContent = sentence;
        return sentence;
      },
    },
  );
  bench.showMore = () => {
    if ($("bars-table").parentElement.open) lawTable($("bars-table"), bench.answer, bench.real, bench.shown.value);
  };
  $("law").addEventListener("change", () => {
    describeLaw();
    tellMissing([]);
  });
  $("scale").addEventListener("change", () => bench.showShown());
  $("laws-save-picture").addEventListener("click", () => {
    const part = async () => ({
      title: $("bars-caption").textContent,
      said: $("bars-said").textContent,
      legend: LEGEND.bars(look()),
      canvas: await drawn(barsOptions, barsData, bars.what),
    });
    savePicture("model-collapse.png", bench, part());
  });
  return bench;
}

function describeLaw() {
  $("law-words").textContent =
    $("law").value === "own" ? $("read-said").textContent : lawOf({ preset: $("law").value }).words;
}

// what was answered, in words, whatever the controls say by now
function described(bench) {
  const { text, source, regime: name, share, size, order, temperature, seed } = bench.answeredBody;
  const regime = bench.regime(name);
  const real = text
    ? (library.start.texts.find((one) => one.name === text.name)?.label ?? "Your own text")
    : (lawOf(source).label ?? ownName(source.states));
  const lowered = (words) => words[0].toLowerCase() + words.slice(1);
  const found = [real, lowered(regime.label)];
  if (regime.share)
    found.push(`${lowered(regime.share_label || bench.anyShare)} ${bench.shareWords(share, regime, size)}`);
  found.push(`sample size ${size}`);
  if (text) found.push(`order ${order}`);
  else if (temperature !== 1) found.push(`temperature ${written(temperature)}`);
  return { setting: found.join(", "), source: `modelcollapse ${library.start.version}, seed ${seed}` };
}

// all that the picture holds is read before anything is waited for: it is of one answer
async function savePicture(name, bench, part) {
  const words = described(bench);
  saveFile(name, await picture(words, await Promise.all([part, bench.curvePart()])));
}

// ---- own data

async function readOwn(column = null) {
  const said = $("read-said");
  try {
    const found = await library.ask("read", { text: $("paste").value, kind: $("kind").value, column });
    if (!found) return;
    $("column-line").hidden = true;
    takeOwn(found);
    tellMissing([]);
    $("law").value = "own";
    said.textContent = found.said;
    said.classList.remove("refused");
    describeLaw();
    benches.laws.changed();
  } catch (problem) {
    said.textContent = sentence(problem.message);
    said.classList.add("refused");
    const columns = problem.answer?.columns;
    $("column-line").hidden = !columns;
    if (columns)
      fillSelect(
        $("column"),
        columns.map((name) => ({ name, label: name })),
        column ?? undefined,
      );
  }
}

function openFile() {
  const [file] = $("file").files;
  if (!file) return;
  const most = library.start.limits.body;
  if (file.size > most) {
    $("read-said").textContent = `${file.name} has ${plural(file.size, "byte")}; this page takes at most ${most}.`;
    $("read-said").classList.add("refused");
    return;
  }
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    $("paste").value = reader.result;
    $("kind").value = /\.(csv|tsv)$/i.test(file.name) ? "csv" : "words";
    readOwn();
  });
  reader.readAsText(file);
}

// ---- text

let ownText = null;

function makeText(start) {
  fillSelect($("text-name"), start.texts, start.default_text.text.name);
  const { sizes, orders, shares, regimes, generations } = start.text;
  const bench = new Bench(
    "text",
    {
      regimes,
      sliders: { share: shares, size: sizes, order: orders, generations: range(generations.low, generations.high) },
    },
    start.default_text,
    {
      body: (common) => ({
        text: $("text-name").value === "own" ? { own: ownText } : { name: $("text-name").value },
        ...common,
      }),
      ready: (answer) => ($("text-words").textContent = answer.said ?? ""),
      showGeneration: (answer, shown) => {
        $("written").textContent = answer.texts[shown];
      },
    },
  );
  $("text-read").addEventListener("click", () => {
    const most = start.limits.text;
    const pasted = $("text-paste").value;
    const good = pasted.trim() && pasted.length <= most;
    $("text-read-said").textContent = good
      ? ""
      : pasted.trim()
        ? `This page takes at most ${most} characters, got ${pasted.length}.`
        : "There is no text yet.";
    if (!good) return;
    ownText = pasted;
    tellMissing([]);
    for (const option of [...$("text-name").options]) if (option.value === "own") option.remove();
    $("text-name").append(element("option", { value: "own" }, "Your own text"));
    $("text-name").value = "own";
    bench.changed();
  });
  $("text-save-picture").addEventListener("click", () => {
    const shown = bench.shown.value;
    const words = bench.answer.texts[shown];
    const part = {
      title: `Generation ${bench.answer.generations[shown]} writes`,
      text: words.length > 900 ? `${words.slice(0, 900)} …` : words,
      said: "",
    };
    savePicture("text.png", bench, part);
  });
  $("text-name").addEventListener("change", () => tellMissing([]));
  return bench;
}

// ---- the planner: sentences with blanks

const blanks = new Map(); // name -> () => value

function blankControl({ name, label, kind, low, high, choices, optional, default: preset }) {
  if (kind === "law") {
    blanks.set(name, undefined);
    return element("span", { class: "blank" }, "the categories of the first tab");
  }
  if (kind === "choices") {
    const boxes = choices.map((choice) =>
      element("input", { type: "checkbox", value: choice, checked: preset?.includes(choice) }),
    );
    blanks.set(name, () => choices.filter((_, i) => boxes[i].checked));
    const inner = boxes.map((box) => element("label", {}, box, ` ${box.value}`));
    return element("span", { class: "blank", role: "group", "aria-label": label }, ...inner);
  }
  if (kind === "choice") {
    const select = element("select", { "aria-label": label });
    const offered = choices.map((choice) => ({ name: String(choice), label: String(choice) }));
    fillSelect(select, optional ? [{ name: "", label: "(none)" }, ...offered] : offered, String(preset ?? ""));
    blanks.set(name, () => choices.find((choice) => String(choice) === select.value) ?? null);
    return select;
  }
  const step = kind === "whole" ? 1 : "any";
  const input = element("input", {
    type: "number",
    "aria-label": label,
    min: low,
    max: high,
    step,
    required: !optional,
    value: preset,
  });
  blanks.set(name, () => (input.value === "" ? null : input.valueAsNumber));
  return input;
}

function showQuestion() {
  const question = library.start.questions.find(({ name }) => name === $("question").value);
  blanks.clear();
  const pieces = question.sentence.split(/\{(\w+)\}/);
  const parts = pieces.map((piece, i) =>
    i % 2 ? blankControl(question.blanks.find(({ name }) => name === piece)) : piece,
  );
  $("sentence").replaceChildren(...parts);
  $("answer").replaceChildren();
  $("copy-command").hidden = true;
  remember();
}

async function askPlanner(event) {
  event.preventDefault();
  const values = Object.fromEntries([...blanks].filter(([, read]) => read).map(([name, read]) => [name, read()]));
  try {
    const found = await library.ask("plan", { question: $("question").value, values, setting: benches.laws.body() });
    if (!found) return;
    complain(null);
    $("answer").replaceChildren(
      element("p", { class: "answer" }, found.answer),
      element("ul", {}, ...(found.details ?? []).map((line) => element("li", {}, line))),
      element("p", {}, `Theorem: ${found.theorem}.`),
      element("pre", { tabindex: 0, role: "region", "aria-label": "The same without this page" }, found.command),
    );
    if (!found.details?.length) $("answer").querySelector("ul").remove();
    $("copy-command").hidden = !found.command;
    $("copy-command").onclick = () => copy(found.command, "The command");
  } catch (problem) {
    if (!(problem instanceof Refused)) return complain(problem);
    $("answer").replaceChildren(element("p", { class: "answer refused" }, problem.message));
    $("copy-command").hidden = true;
  }
}

// ---- the start

function paintPage() {
  const chosen = $("theme").value;
  document.documentElement.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  for (const bench of Object.values(benches)) bench.redraw();
}

function wireTheme() {
  const kept = (act) => {
    try {
      return act(localStorage);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  $("theme").value = kept((store) => store.getItem("theme")) ?? "system";
  $("theme").addEventListener("change", () => {
    kept((store) => store.setItem("theme", $("theme").value));
    paintPage();
  });
  dark.addEventListener("change", paintPage);
  paintPage();
}

function wireRest() {
  $("read").addEventListener("click", () => readOwn($("column-line").hidden ? null : $("column").value));
  $("kind").addEventListener("change", () => ($("column-line").hidden = true));
  $("file").addEventListener("change", openFile);
  const link = library.live ? "The link, which works on this computer while the command runs," : "The link";
  for (const button of document.querySelectorAll('[data-copy="link"]')) {
    button.addEventListener("click", () => copy(location.href, link, leftOut()));
  }
  fillSelect(
    $("question"),
    library.start.questions.map(({ name, label }) => ({ name, label })),
  );
  $("question").addEventListener("change", showQuestion);
  $("ask").addEventListener("submit", askPlanner);
  addEventListener("hashchange", () => {
    recall();
    describeLaw();
    showQuestion();
    for (const bench of Object.values(benches)) if (bench.asked) bench.changed();
  });
  library.onBusy = (busy) => {
    $("busy").hidden = !busy;
    document.querySelector("main").setAttribute("aria-busy", busy);
  };
}

async function openPage() {
  wireTheme();
  try {
    await library.open();
  } catch (problem) {
    complain(problem);
    return;
  }
  const { start, live } = library;
  $("version").textContent = start.version;
  $("foot").hidden = false;
  benches.laws = makeLaws(start);
  benches.text = makeText(start);
  wireRest();
  for (const id of ["own", "text-own"]) $(id).hidden = !live;
  $("static").hidden = live;
  if (!live) for (const id of ["ask", "answer"]) $(id).hidden = true;
  $("plan-static").hidden = live;
  $("all").hidden = false;
  recall();
  describeLaw();
  if (live) showQuestion();
}

openPage();

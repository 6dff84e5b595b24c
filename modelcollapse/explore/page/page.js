"use strict";
// What happens when you move a control, open a tab, press Play or ask the planner.

const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// ---- what is said

let saying = 0;
function say(sentence) {
  // one sentence, once the reader has stopped moving things
  clearTimeout(saying);
  saying = setTimeout(() => ($("live").textContent = sentence), 700);
}

function complain(problem) {
  $("problem").textContent = problem ? sentence(problem.message) : "";
  $("problem").hidden = !problem;
  if (problem && !(problem instanceof Refused || problem instanceof Broken)) console.error(problem);
}

// more: a sentence about what was copied
async function copy(text, what, more = "") {
  $("by-hand").hidden = true;
  try {
    await navigator.clipboard.writeText(text);
    $("done").textContent = `${what} is on the clipboard. ${more}`.trim();
  } catch {
    $("by-hand").hidden = false;
    $("copied").value = text;
    $("copied").focus();
    $("copied").select();
    $("done").textContent = more;
  }
}

// ---- controls

// a range input whose steps are the entries of a list
class Slider {
  constructor(id, values, name = written) {
    Object.assign(this, { input: $(id), output: document.querySelector(`output[for="${id}"]`), name });
    this.input.addEventListener("input", () => this.label());
    this.fill(values, values[0]);
  }

  fill(values, value) {
    this.values = values;
    Object.assign(this.input, { min: 0, max: values.length - 1, step: 1 });
    this.value = value;
    // nothing to choose from
    this.input.closest("p").hidden = values.length < 2;
  }

  get value() {
    return this.values[this.input.valueAsNumber];
  }

  set value(wanted) {
    const far = this.values.map((x) => Math.abs(x - wanted));
    this.input.value = Math.max(0, far.indexOf(Math.min(...far)));
    this.label();
  }

  label() {
    this.output.textContent = this.name(this.value);
    this.input.setAttribute("aria-valuetext", this.name(this.value));
  }
}

function range(low, high) {
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

function fillSelect(select, choices, value) {
  select.replaceChildren(...choices.map(({ name, label }) => element("option", { value: name }, label)));
  if (value !== undefined && choices.some(({ name }) => name === value)) select.value = value;
}

// ---- a tab with a setting, pictures and a player: of categories ("laws"), or of text

class Bench {
  constructor(prefix, lists, preset, { body, ready, showGeneration }) {
    Object.assign(this, { prefix, lists, bodyOf: body, ready, showGeneration, answer: null, asked: false, playing: 0 });
    const at = (name) => $(`${prefix}-${name}`);
    this.at = at;
    this.form = document.querySelector(`#${prefix} form`);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    fillSelect(at("regime"), lists.regimes, preset.regime);
    this.sliders = {};
    this.shareName = document.querySelector(`label[for="${prefix}-share"]`);
    this.anyShare = this.shareName.textContent;
    for (const [name, values] of Object.entries(lists.sliders)) {
      const words = name === "share" ? (share) => this.shareWords(share) : written;
      this.sliders[name] = new Slider(`${prefix}-${name}`, values, words);
      this.sliders[name].value = preset[name];
    }
    this.shown = new Slider(`${prefix}-shown`, range(0, preset.generations));
    this.shown.value = preset.generations;
    at("seed").value = preset.seed;
    this.chart = new Chart(at("curves"), curvesOptions, curvesData);
    this.form.addEventListener("input", (event) => event.target.dataset.key && this.changed());
    at("again").addEventListener("click", () => {
      at("seed").value = (at("seed").valueAsNumber || 0) + 1;
      this.changed();
    });
    at("seed").disabled = at("again").disabled = !library.live;
    at("shown").addEventListener("input", () => {
      this.stop();
      this.showShown();
    });
    at("play").addEventListener("click", () => this.play());
    this.namePlay();
    calm.addEventListener("change", () => this.namePlay());
    at("curve").addEventListener("change", () => this.showCurve());
    for (const table of document.querySelectorAll(`#${prefix} figure details`))
      table.addEventListener("toggle", () => this.showTables());
    at("copy-call").addEventListener("click", () => copy(this.answer.call, "The Python"));
    at("save-csv").addEventListener("click", () =>
      saveFile(`${prefix}.csv`, new Blob([csvOf(this.answer)], { type: "text/csv" })),
    );
    at("save-json").addEventListener("click", () => {
      const data = JSON.stringify({ setting: this.answeredBody, answer: this.answer }, null, 1);
      saveFile(`${prefix}.json`, new Blob([data], { type: "application/json" }));
    });
  }

  value(name) {
    return this.sliders[name].value;
  }

  body() {
    const seed = Math.min(Math.max(Math.trunc(this.at("seed").valueAsNumber) || 0, 0), 2 ** 32 - 1);
    const common = { regime: this.at("regime").value, seed };
    for (const name of Object.keys(this.sliders)) common[name] = this.value(name);
    return this.bodyOf(common);
  }

  regime(name = this.at("regime").value) {
    return this.lists.regimes.find((one) => one.name === name);
  }

  // a share in words, and the items that it comes to where the regime counts them
  shareWords(share, regime = this.regime(), size = this.sliders.size?.value) {
    const { items, shares, sizes } = library.start;
    const count = regime.counted && items[shares.indexOf(share)]?.[sizes.indexOf(size)];
    return Number.isInteger(count) ? `${written(share)} (${count} of ${plural(size, "item")})` : written(share);
  }

  // something was set: ask for what it leads to
  async changed() {
    this.asked = true;
    this.stop();
    const regime = this.regime();
    this.at("regime-words").textContent = regime.words + (regime.share ? "" : " There is no share to set.");
    this.at("share").disabled = !regime.share;
    this.shareName.textContent = regime.share_label || this.anyShare;
    this.sliders.share.label();
    remember();
    const body = this.body();
    const before = this.answer;
    try {
      const answer = await library.ask(this.prefix === "text" ? "text" : "simulate", body);
      if (!answer) return; // a newer question took its place
      complain(null);
      Object.assign(this, { answer, answeredBody: body });
    } catch (problem) {
      complain(problem);
      $(`${this.prefix}-pictures`).classList.add("stale");
      return;
    }
    const pictures = $(`${this.prefix}-pictures`);
    pictures.classList.remove("stale");
    pictures.hidden = false; // they were empty until now
    const last = this.answer.generations.length - 1;
    const atEnd = !before || this.shown.value === before.generations.length - 1;
    // the reader may have asked for a generation by a link
    const wanted = this.wanted ?? (atEnd ? last : Math.min(this.shown.value, last));
    this.shown.fill(range(0, last), wanted);
    this.wanted = null;
    const names = Object.entries(this.answer.curves).map(([name, curve]) => ({ name, label: curve.label }));
    const kept = this.wantedCurve ?? this.at("curve").value;
    fillSelect(this.at("curve"), names, kept);
    this.wantedCurve = null;
    this.at("call").textContent = this.answer.call;
    this.ready?.(this.answer, body);
    this.showCurve();
  }

  get curve() {
    return this.answer.curves[this.at("curve").value];
  }

  showCurve() {
    const { curve, answer } = this;
    const index = () => this.shown.value;
    const onPick = (i) => {
      this.stop();
      this.shown.value = i;
      this.showShown();
    };
    this.chart.show({ curve, generations: answer.generations, shown: index, onPick });
    fillLegend(this.at("curves-legend"), LEGEND.curves(curve, look()));
    this.at("theorem").textContent = theoremSentence(curve);
    this.showShown();
  }

  showShown() {
    if (!this.answer) return;
    const shown = this.shown.value;
    const law = this.showGeneration(this.answer, shown) ?? "";
    this.chart.redraw();
    const generation = `Generation ${this.answer.generations[shown]}.`;
    const curve = curveSentence(this.curve, shown);
    this.at("curves-said").textContent = `${generation} ${curve}`;
    this.showTables();
    if (!this.playing) {
      say(`${law || generation} ${curve}`);
      remember();
    }
  }

  showTables() {
    const region = this.at("curves-table");
    if (this.answer && region.parentElement.open) curvesTable(region, this.curve, this.answer.generations);
    if (this.answer) this.showMore?.();
  }

  namePlay() {
    this.at("play").textContent = this.playing ? "Pause" : calm.matches ? "Next generation" : "Play";
  }

  // generation by generation; one for each press where the reader wants no motion
  play() {
    if (!this.answer) return;
    if (this.playing) return this.stop(true);
    const last = this.answer.generations.length - 1;
    const step = () => {
      this.shown.value = this.shown.value >= last ? 0 : this.shown.value + 1;
      this.showShown();
    };
    if (calm.matches) return step();
    if (this.shown.value >= last) this.shown.value = 0;
    this.playing = setInterval(
      () => {
        step();
        if (this.shown.value >= last) this.stop(true);
      },
      Math.min(250, Math.max(40, 8000 / last)),
    );
    this.showShown();
    this.namePlay();
  }

  stop(tell = false) {
    clearInterval(this.playing);
    this.playing = 0;
    this.namePlay();
    if (tell) this.showShown();
  }

  redraw() {
    if (this.answer) this.showCurve();
  }

  // the curve as a part of the picture that is saved
  async curvePart() {
    const what = this.chart.what;
    return {
      title: `${this.curve.label}: ${this.curve.count} chains`,
      said: `${this.at("curves-said").textContent} ${this.at("theorem").textContent}`,
      legend: LEGEND.curves(this.curve, look()),
      canvas: await drawn(curvesOptions, curvesData, what),
    };
  }
}

// ---- the address remembers what is set, so that a link leads back to the same picture

const memory = { quiet: true, own: null };
const LONGEST = 8000; // characters of own data in an address
const keyed = () => document.querySelectorAll("[data-key]");

function remember() {
  if (memory.quiet) return;
  const fragment = new URLSearchParams({
    tab: document.querySelector('[role="tab"][aria-selected="true"]').getAttribute("aria-controls"),
  });
  for (const control of keyed()) {
    const slider = Object.values(benches)
      .flatMap((bench) => [bench.shown, ...Object.values(bench.sliders)])
      .find(({ input }) => input === control);
    fragment.set(control.dataset.key, slider ? slider.value : control.value);
  }
  if (ownFits()) fragment.set("own", JSON.stringify(memory.own));
  history.replaceState(null, "", `#${fragment}`);
}

function ownFits() {
  return memory.own && JSON.stringify(memory.own).length < LONGEST;
}

// what a link to this page cannot hold, in a sentence
function leftOut() {
  const found = [];
  if ($("law").value === "own" && !ownFits()) found.push("your own data, which are too long for it");
  if ($("text-name").value === "own") found.push("your own text");
  return found.length ? `It does not hold ${found.join(", nor ")}.` : "";
}

// own data of a link, if they came with it; where they did not, the page says what it shows instead
function recallOwn(fragment) {
  let came = false;
  try {
    const { states, weights } = JSON.parse(fragment.get("own")) ?? {};
    came = states?.length === weights?.length && states?.length > 1;
    if (came) takeOwn({ states: states.map(String), weights: weights.map(Number) });
  } catch {
    came = false; // a link that was cut
  }
  const { default: law, default_text: text } = library.start;
  const lost = [];
  const instead = (id, name, what) => {
    if (fragment.get(id) !== "own") return;
    fragment.set(id, name);
    const { label } = [...$(id).options].find(({ value }) => value === name);
    lost.push(`This link does not hold the ${what} that it was made with: you see “${label}” instead.`);
  };
  if (!came) instead("law", law.source.preset, "data");
  instead("text-name", text.text.name, "text");
  tellMissing(lost);
}

function tellMissing(sentences) {
  $("missing").textContent = sentences.join(" ");
  $("missing").hidden = !sentences.length;
}

function recall() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  memory.quiet = true;
  recallOwn(fragment);
  for (const control of keyed()) {
    const value = fragment.get(control.dataset.key);
    // tables hold one seed
    if (value === null || (control.type === "number" && control.disabled)) continue;
    const bench = Object.values(benches).find((one) => control.id.startsWith(`${one.prefix}-`));
    const slider = bench && Object.values(bench.sliders).find(({ input }) => input === control);
    if (bench && control.id.endsWith("-shown")) bench.wanted = Math.max(0, Math.trunc(Number(value)) || 0);
    else if (bench && control.id.endsWith("-curve")) bench.wantedCurve = value;
    else if (slider) slider.value = Number(value);
    else if (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value))
      control.value = value;
  }
  memory.quiet = false;
  openTab(fragment.get("tab"));
}

// ---- tabs, as the ARIA practice has them

const tabs = [...document.querySelectorAll('[role="tab"]')];

function openTab(name, focus = false) {
  const chosen = tabs.find((tab) => tab.getAttribute("aria-controls") === name) ?? tabs[0];
  for (const tab of tabs) {
    const open = tab === chosen;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !open;
  }
  if (focus) chosen.focus();
  const bench = benches[chosen.getAttribute("aria-controls")];
  if (bench && !bench.asked) bench.changed();
  complain(null);
  remember();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => openTab(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", (event) => {
    const here = tabs.indexOf(tab);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    openTab(tabs[(to + tabs.length) % tabs.length].getAttribute("aria-controls"), true);
  });
}

// What a person does on the page of `modelcollapse explore`, in headless Chromium.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";

import { answerOf, browser, explorer, open, outside, overflow, pixels, settled, shots, tableOf, violations } from "./tools.mjs";

let running, command;
before(async () => {
  [running, command] = await Promise.all([browser(), explorer()]);
});
after(async () => {
  await running?.close();
  assert.equal(await command?.end(), 0, "the command ends well when it is interrupted");
});

const TABS = ["laws", "text", "plan"];
const digits = (x, n = 5) => (x === null ? "–" : Number(Number(x).toPrecision(n)));

let hung = false; // then no other test waits for it
async function begin(fragment = "", options = {}) {
  assert.ok(!hung, "the command does not answer any more");
  hung = true;
  const page = await open(running, command.address + fragment, options);
  await page.waitForSelector("#all:not([hidden])");
  await settled(page);
  hung = false;
  return page;
}

async function finish(page) {
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(outside(page, command.address), []);
  await page.context().close();
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}

async function showAll(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
}

const pressIn = async (page, selector, key) => {
  await page.focus(selector);
  await page.keyboard.press(key);
};

for (const colorScheme of ["light", "dark"]) {
  for (const tab of TABS) {
    test(`axe finds no violation: ${tab}, ${colorScheme}`, async () => {
      const page = await begin(`#tab=${tab}`, { colorScheme });
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
      if (tab === "plan") await answerOf(page, "plan", () => page.click("#ask-button"));
      await shot(page, `${tab}-${colorScheme}`);
      await showAll(page);
      await page.waitForTimeout(200);
      assert.deepEqual(await violations(page), []);
      await shot(page, `${tab}-${colorScheme}-open`);
      await finish(page);
    });
  }
}

test("keyboard alone reaches every control, and changes it", async () => {
  const page = await begin();
  // numbers do not matter here, and no program has to be compiled for each regime and size
  const last = {};
  for (const name of ["simulate", "text"]) {
    await page.route(`**/api/${name}`, async (route) => {
      last[name] ??= await (await route.fetch()).text();
      await route.fulfill({ contentType: "application/json", body: last[name] });
    });
  }
  for (const tab of TABS) {
    // from the open tab's own button, back to it
    await page.focus('[role="tab"][aria-selected="true"]');
    if (tab !== TABS[0]) await page.keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-controls")), tab);
    await settled(page);
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    const wanted = await page.evaluate(() => {
      const able = "button, input, select, textarea, summary, [tabindex='0']";
      const all = [...document.querySelectorAll(able)].filter((one) => !one.disabled && one.checkVisibility() && one.getAttribute("aria-selected") !== "false");
      return all.map((one, i) => (one.dataset.stop = i)).length;
    });
    const reached = new Map();
    for (let i = 0; i < wanted + 5; i++) {
      const now = await page.evaluate(() => {
        const one = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        return { stop: one.dataset.stop, seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, what: one.outerHTML.slice(0, 90) };
      });
      if (now.stop !== undefined) reached.set(now.stop, now);
      await page.keyboard.press("Tab");
    }
    assert.equal(reached.size, wanted, `of ${tab}`);
    // a field of text shows the caret; all others an outline
    for (const { seen, what } of reached.values()) assert.ok(seen, `no outline: ${what}`);
  }
  for (const tab of TABS.slice(0, 2)) {
    await page.focus('[role="tab"][aria-selected="true"]');
    await page.keyboard.press(tab === "laws" ? "Home" : "ArrowRight");
    await settled(page);
    const sliders = await page.$$eval(`#${tab} input[type=range]`, (all) => all.filter((one) => !one.disabled).map((one) => one.id));
    assert.ok(sliders.length >= 4);
    for (const id of sliders) {
      const read = () => page.$eval(`#${id}`, (one) => [one.value, one.getAttribute("aria-valuetext")]);
      const before = await read();
      const top = await page.$eval(`#${id}`, (one) => one.value === one.max);
      await pressIn(page, `#${id}`, top ? "ArrowLeft" : "ArrowRight");
      await settled(page);
      const now = await read();
      assert.notEqual(now[0], before[0], id);
      assert.notEqual(now[1], before[1], id);
    }
    const selects = await page.$$eval(`#${tab} select`, (all) => all.filter((one) => one.checkVisibility() && one.options.length > 1).map((one) => one.id));
    for (const id of selects) {
      const value = await page.$eval(`#${id}`, (one) => one.value);
      const last = await page.$eval(`#${id}`, (one) => one.selectedIndex === one.options.length - 1);
      await pressIn(page, `#${id}`, last ? "ArrowUp" : "ArrowDown");
      await settled(page);
      assert.notEqual(await page.$eval(`#${id}`, (one) => one.value), value, id);
    }
  }
  await finish(page);
});

test("at 360 px nothing is wider than the page", async () => {
  const page = await begin("", { viewport: { width: 360, height: 780 } });
  for (const tab of TABS) {
    await page.click(`#tab-${tab}`);
    await settled(page);
    if (tab === "plan") await answerOf(page, "plan", () => page.click("#ask-button"));
    await page.waitForTimeout(150);
    await shot(page, `${tab}-360`);
    for (const opened of [false, true]) {
      if (opened) await showAll(page);
      await page.waitForTimeout(150);
      assert.deepEqual(await overflow(page), { page: 0, wide: [] }, `${tab}, details ${opened ? "open" : "shut"}`);
    }
  }
  await finish(page);
});

test("a step of the share asks for the new numbers, draws them and says so", async () => {
  const page = await begin("#regime=mixture");
  const drawing = () => page.$eval("#laws-curves canvas", (canvas) => canvas.toDataURL());
  const before = await drawing();
  const share = await page.$eval("#laws-share", (one) => one.getAttribute("aria-valuetext"));
  const answer = await answerOf(page, "simulate", () => pressIn(page, "#laws-share", "ArrowRight"));
  await page.waitForTimeout(100);
  assert.notEqual(await drawing(), before);
  const now = await page.$eval("#laws-share", (one) => one.getAttribute("aria-valuetext"));
  assert.notEqual(now, share);
  assert.equal(await page.textContent('output[for="laws-share"]'), now);
  const median = digits(Object.values(answer.curves)[0].median.at(-1), 4);
  await page.waitForFunction((number) => document.querySelector("#live").textContent.includes(`median ${number},`), median);
  assert.match(await page.textContent("#live"), /^Generation 50: \d+ of \d+ categories are left.*% of chains between/);
  await finish(page);
});

test("the numbers shown are the library's", async () => {
  const page = await begin();
  const answer = await answerOf(page, "simulate", () => page.selectOption("#laws-regime", "replace"));
  await page.click("text=The bars as a table");
  await page.click("text=The curves as a table");
  for (const [name, curve] of Object.entries(answer.curves)) {
    await page.selectOption("#laws-curve", name);
    const rows = await tableOf(page, "laws-curves-table");
    const columns = [answer.generations, curve.median, curve.low, curve.high, curve.mean, ...(curve.exact ? [curve.exact.values] : [])];
    assert.equal(rows.length, answer.generations.length);
    rows.forEach((row, i) => {
      const shown = row.map((cell) => (cell === "–" ? cell : Number(cell)));
      assert.deepEqual(shown, columns.map((values) => digits(values[i])), `${name} at ${i}`);
    });
    if (curve.exact) assert.ok((await page.textContent("#laws-theorem")).includes(curve.exact.theorem));
  }
  assert.ok(Object.values(answer.curves).some((curve) => curve.exact));
  for (const shown of [0, 7]) {
    await page.$eval("#laws-shown", (one, value) => ((one.value = value), one.dispatchEvent(new Event("input", { bubbles: true }))), shown);
    const rows = await tableOf(page, "bars-table");
    assert.deepEqual(rows.map((row) => row[0]), answer.states);
    assert.deepEqual(rows.map((row) => Number(row[2])), answer.laws[shown].map((x) => digits(x)));
    const { weights } = await page.evaluate(() => lawOf({ preset: document.querySelector("#law").value }));
    const total = weights.reduce((a, b) => a + b);
    assert.deepEqual(rows.map((row) => Number(row[1])), weights.map((x) => digits(x / total)));
    assert.ok((await page.textContent("#bars-said")).includes(`${answer.alive[shown]} of ${weights.length} categories`));
  }
  await finish(page);
});

test("of many steps at once only the first and the newest are asked for", async () => {
  const page = await begin("#regime=mixture&share=0");
  const bodies = [];
  let under = 0;
  await page.route("**/api/simulate", async (route) => {
    assert.equal(++under, 1, "one request at a time");
    bodies.push(route.request().postDataJSON());
    await new Promise((done) => setTimeout(done, 400));
    const response = await route.fetch();
    under--;
    await route.fulfill({ response });
  });
  await page.focus("#laws-share");
  for (let i = 0; i < 8; i++) await page.keyboard.press("ArrowRight");
  await settled(page);
  const shares = await page.evaluate(() => library.start.shares);
  assert.deepEqual(bodies.map((body) => body.share), [shares[1], shares[8]]);
  assert.ok(await page.evaluate((share) => benches.laws.answeredBody.share === share, shares[8]));
  await finish(page);
});

test("Play lets time pass, and Pause stops it", async () => {
  const page = await begin();
  const shown = () => page.evaluate(() => benches.laws.shown.value);
  assert.equal(await shown(), 50);
  await page.click("#laws-play");
  await page.waitForFunction(() => benches.laws.shown.value > 2);
  assert.ok((await shown()) < 50);
  await page.click("#laws-play");
  const stopped = await shown();
  await page.waitForTimeout(600);
  assert.equal(await shown(), stopped);
  assert.equal(await page.textContent("#laws-play"), "Play");
  await finish(page);
});

test("who wants no motion gets one generation for each press", async () => {
  const page = await begin("#shown=4", { reducedMotion: "reduce" });
  assert.equal(await page.textContent("#laws-play"), "Next generation");
  await page.click("#laws-play");
  await page.waitForTimeout(600);
  assert.equal(await page.evaluate(() => benches.laws.shown.value), 5);
  await finish(page);
});

test("own counts, words and a CSV file take the place of the law", async () => {
  const page = await begin();
  await page.click("#own summary");
  await page.fill("#paste", "50, 30, 15, 5");
  await answerOf(page, "simulate", () => page.click("#read"));
  assert.match(await page.textContent("#law option:checked"), /4 categories/);
  await page.fill("#paste", "the fox and the grapes and the wall");
  await page.selectOption("#kind", "words");
  const words = await answerOf(page, "simulate", () => page.click("#read"));
  assert.deepEqual([...words.states].sort(), ["and", "fox", "grapes", "the", "wall"]);
  const file = { name: "pets.csv", mimeType: "text/csv", buffer: Buffer.from("pet\ncat\ndog\ncat\nowl\n") };
  const pets = await answerOf(page, "simulate", () => page.setInputFiles("#file", file));
  assert.deepEqual([...pets.states].sort(), ["cat", "dog", "owl"]);
  assert.ok((await page.textContent("#laws-call")).includes("owl"));
  // what cannot be read is said, and what was there stays
  await page.selectOption("#kind", "counts");
  await page.fill("#paste", "fifty, 30");
  await answerOf(page, "read", () => page.click("#read"));
  assert.ok(await page.$eval("#read-said", (one) => one.classList.contains("refused") && one.textContent.length > 20));
  assert.match(await page.textContent("#law option:checked"), /3 categories/);
  await shot(page, "own-refused");
  // a link holds own data as well
  const other = await begin(new URL(page.url()).hash);
  assert.deepEqual(await other.evaluate(() => [...benches.laws.answer.states].sort()), ["cat", "dog", "owl"]);
  await finish(other);
  await finish(page);
});

test("a file that is too large is refused before it is read", async () => {
  const page = await begin();
  const most = await page.evaluate(() => library.start.limits.body);
  await page.click("#own summary");
  await page.setInputFiles("#file", { name: "large.csv", mimeType: "text/csv", buffer: Buffer.alloc(most + 1, "7\n") });
  assert.match(await page.textContent("#read-said"), new RegExp(`at most ${most}`));
  await finish(page);
});

test("the planner answers in a sentence, and refuses in one", async () => {
  const page = await begin("#tab=plan");
  const questions = await page.$$eval("#question option", (all) => all.map((one) => one.value));
  for (const question of questions) {
    await page.selectOption("#question", question);
    const answer = await answerOf(page, "plan", () => page.click("#ask-button"));
    await shot(page, `plan-${question}`);
    assert.ok(!answer.refused, `${question}: ${answer.refused}`);
    assert.equal(await page.textContent("#answer .answer"), answer.answer);
    assert.ok((await page.textContent("#answer")).includes(answer.theorem));
    assert.equal(await page.textContent("#answer pre"), answer.command);
  }
  await page.selectOption("#question", questions[0]);
  const [first] = await page.$$("#sentence input[type=number]");
  await page.$eval("#ask", (form) => (form.noValidate = true));
  await first.fill("-1");
  const refusal = await answerOf(page, "plan", () => page.click("#ask-button"));
  assert.ok(refusal.refused);
  assert.equal(await page.textContent("#answer .refused"), refusal.refused);
  await shot(page, "plan-refused");
  await finish(page);
});

test("the text dissolves: a text for each generation, and its curves", async () => {
  const page = await begin("#tab=text");
  const answer = await page.evaluate(() => benches.text.answer);
  assert.ok(answer.curves.perplexity);
  for (const shown of [0, answer.texts.length - 1]) {
    await page.$eval("#text-shown", (one, value) => ((one.value = value), one.dispatchEvent(new Event("input", { bubbles: true }))), shown);
    assert.equal(await page.textContent("#written"), answer.texts[shown]);
  }
  assert.notEqual(answer.texts[0], answer.texts.at(-1));
  await page.click("#text-own summary");
  await page.fill("#text-paste", "the fox saw the grapes and the fox went home and the grapes stayed on the wall of the old house . ".repeat(40));
  const own = await answerOf(page, "text", () => page.click("#text-read"));
  assert.ok(!own.refused, own.refused);
  assert.match(own.texts[0], /fox/);
  await finish(page);
});

test("copies the call, or shows it where the clipboard is not allowed", async () => {
  const page = await begin();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("#laws-copy-call");
  await page.waitForFunction(() => document.querySelector("#done").textContent);
  const call = await page.textContent("#laws-call");
  assert.match(call, /mc\.simulate\(/);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), call);
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"))));
  await page.click("#laws-copy-call");
  await page.waitForSelector("#copied", { state: "visible" });
  assert.equal(await page.inputValue("#copied"), call);
  assert.equal(await page.evaluate(() => getSelection().toString() || document.activeElement.id), call);
  await shot(page, "copy-by-hand");
  await finish(page);
});

test("saves the data as the library gave them", async () => {
  const page = await begin();
  const saved = async (selector) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return readFile(await download.path());
  };
  const answer = await page.evaluate(() => benches.laws.answer);
  const json = JSON.parse(await saved("#laws-save-json"));
  assert.deepEqual(json.answer, answer);
  assert.equal(json.setting.size, await page.evaluate(() => benches.laws.value("size")));
  const [head, ...rows] = String(await saved("#laws-save-csv")).trim().split("\r\n");
  const name = Object.keys(answer.curves)[0];
  const column = head.split(",").indexOf(`${name}_median`);
  assert.deepEqual(rows.map((row) => Number(row.split(",")[column])), answer.curves[name].median);
  await finish(page);
});

for (const colorScheme of ["light", "dark"]) {
  test(`saves a picture that is not blank: ${colorScheme}`, async () => {
    const page = await begin("#regime=replace&shown=20", { colorScheme, viewport: { width: 400, height: 800 } });
    for (const tab of ["laws", "text"]) {
      await page.click(`#tab-${tab}`);
      await settled(page);
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(`#${tab}-save-picture`)]);
      if (shots) await download.saveAs(path.join(shots, `saved-${tab}-${colorScheme}.png`));
      const seen = await pixels(page, await readFile(await download.path()));
      const paint = await page.evaluate(() => look());
      assert.equal(seen.width, 1920);
      assert.equal(seen.often[0], paint.paper, "the ground");
      assert.ok(seen.first < 0.95, "something is drawn");
      for (const name of ["band", "median", ...(tab === "laws" ? ["bar", "exact"] : [])]) assert.ok(seen.often.includes(paint[name]), name);
    }
    await finish(page);
  });
}

test("bars at both ends are whole", async () => {
  const page = await begin("#regime=replace&shown=0");
  const ends = await page.evaluate(() => {
    const { plot } = bars;
    const last = plot.data[0].length - 1;
    const half = (plot.valToPos(1, "x") - plot.valToPos(0, "x")) / 2;
    return [plot.valToPos(0, "x") - half * 0.86, plot.over.clientWidth - plot.valToPos(last, "x") - half * 0.86];
  });
  assert.ok(Math.min(...ends) >= 0, String(ends));
  await finish(page);
});

test("a link leads back to the same picture", async () => {
  const page = await begin();
  await page.selectOption("#laws-regime", "mixture");
  await pressIn(page, "#laws-size", "ArrowRight");
  await pressIn(page, "#laws-shown", "ArrowLeft");
  await page.selectOption("#laws-curve", { index: 1 });
  await page.selectOption("#scale", "linear");
  await page.fill("#laws-seed", "7");
  await settled(page);
  const state = (one) => one.evaluate(() => [...document.querySelectorAll("[data-key]")].map((control) => [control.id, control.value]));
  const other = await begin(new URL(page.url()).hash);
  assert.deepEqual(await state(other), await state(page));
  assert.deepEqual(await other.evaluate(() => benches.laws.answer.laws), await page.evaluate(() => benches.laws.answer.laws));
  await finish(other);
  await finish(page);
});

test("a link that was cut or made up does no harm", async () => {
  const page = await begin("#tab=nowhere&law=%00&regime=no&share=x&size=-1&shown=1e9&own=%7B%22states&curve=__proto__&seed=-4");
  assert.ok(await page.evaluate(() => benches.laws.answer !== null));
  assert.equal(await page.isHidden("#problem"), true);
  await finish(page);
});

test("the switch of colours wins over the system, and is kept", async () => {
  const page = await begin("", { colorScheme: "light" });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.selectOption("#theme", "dark");
  assert.equal(await theme(), "dark");
  await page.reload();
  await page.waitForSelector("#all:not([hidden])");
  assert.equal(await theme(), "dark");
  await page.selectOption("#theme", "system");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  await finish(page);
});

for (const token of ["", "?token=wrong"]) {
  test(`an address with ${token ? "a wrong" : "no"} token says so`, async () => {
    const page = await open(running, command.address.replace(/\?.*/, token));
    await page.waitForSelector("#problem:not([hidden])");
    assert.match(await page.textContent("#problem"), /token/);
    assert.equal(await page.isHidden("#all"), true);
    assert.deepEqual(await violations(page), []);
    await shot(page, "wrong-token");
    await page.context().close();
  });
}

test("a library that has gone is said, and the page goes on when it is back", async () => {
  const page = await begin("#regime=mixture&share=0.1");
  await page.route("**/api/**", (route) => route.abort());
  await pressIn(page, "#laws-share", "ArrowRight");
  await page.waitForSelector("#problem:not([hidden])");
  assert.match(await page.textContent("#problem"), /does not answer/);
  await page.unroute("**/api/**");
  await pressIn(page, "#laws-share", "ArrowRight");
  await settled(page);
  assert.equal(await page.isHidden("#problem"), true);
  assert.deepEqual(outside(page, command.address), []);
  await page.context().close();
});

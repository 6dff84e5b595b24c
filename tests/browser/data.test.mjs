// What goes into the page and comes out of it: own data, questions, numbers, pictures, files.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { begin, digits, finish, shot } from "./live.mjs";
import { answerOf, pixels, settled, shots, tableOf } from "./tools.mjs";

test("the numbers shown are the library's", async () => {
  const page = await begin();
  const answer = await answerOf(page, "simulate", () => page.selectOption("#laws-regime", "replace"));
  await page.click("text=The bars as a table");
  await page.click("text=The curves as a table");
  for (const [name, curve] of Object.entries(answer.curves)) {
    await page.selectOption("#laws-curve", name);
    const rows = await tableOf(page, "laws-curves-table");
    const columns = [
      answer.generations,
      curve.median,
      curve.low,
      curve.high,
      curve.mean,
      ...(curve.exact ? [curve.exact.values] : []),
    ];
    assert.equal(rows.length, answer.generations.length);
    rows.forEach((row, i) => {
      const shown = row.map((cell) => (cell === "–" ? cell : Number(cell)));
      assert.deepEqual(
        shown,
        columns.map((values) => digits(values[i])),
        `${name} at ${i}`,
      );
    });
    if (curve.exact) assert.ok((await page.textContent("#laws-theorem")).includes(curve.exact.theorem));
  }
  assert.ok(Object.values(answer.curves).some((curve) => curve.exact));
  for (const shown of [0, 7]) {
    await page.$eval(
      "#laws-shown",
      (one, value) => ((one.value = value), one.dispatchEvent(new Event("input", { bubbles: true }))),
      shown,
    );
    const rows = await tableOf(page, "bars-table");
    assert.deepEqual(
      rows.map((row) => row[0]),
      answer.states,
    );
    assert.deepEqual(
      rows.map((row) => Number(row[2])),
      answer.laws[shown].map((x) => digits(x)),
    );
    const { weights } = await page.evaluate(() => lawOf({ preset: document.querySelector("#law").value }));
    const total = weights.reduce((a, b) => a + b);
    assert.deepEqual(
      rows.map((row) => Number(row[1])),
      weights.map((x) => digits(x / total)),
    );
    assert.ok(
      (await page.textContent("#bars-said")).includes(`${answer.alive[shown]} of ${weights.length} categories`),
    );
  }
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
    await page.$eval(
      "#text-shown",
      (one, value) => ((one.value = value), one.dispatchEvent(new Event("input", { bubbles: true }))),
      shown,
    );
    assert.equal(await page.textContent("#written"), answer.texts[shown]);
  }
  assert.notEqual(answer.texts[0], answer.texts.at(-1));
  await page.click("#text-own summary");
  await page.fill(
    "#text-paste",
    "the fox saw the grapes and the fox went home and the grapes stayed on the wall of the old house . ".repeat(40),
  );
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
  const [head, ...rows] = String(await saved("#laws-save-csv"))
    .trim()
    .split("\r\n");
  const name = Object.keys(answer.curves)[0];
  const column = head.split(",").indexOf(`${name}_median`);
  assert.deepEqual(
    rows.map((row) => Number(row.split(",")[column])),
    answer.curves[name].median,
  );
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
      for (const name of ["band", "median", ...(tab === "laws" ? ["bar", "exact"] : [])])
        assert.ok(seen.often.includes(paint[name]), name);
    }
    await finish(page);
  });
}

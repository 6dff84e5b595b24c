// What the page says of itself: of shares, of lost states, of saved pictures, and of links that cannot hold everything.
import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, finish, pressIn, shot } from "./live.mjs";
import { answerOf, overflow, settled } from "./tools.mjs";

const share = (page) => page.textContent('output[for="laws-share"]');

// answers of api/name wait until the test lets them go
async function hold(page, name) {
  let release;
  const released = new Promise((done) => (release = done));
  await page.route(`**/api/${name}`, async (route) => {
    await released;
    await route.continue();
  });
  return release;
}

// every answer of api/name is its first one: no program has to be compiled for numbers that do not matter
async function repeat(page, name) {
  let last;
  await page.route(`**/api/${name}`, async (route) => {
    last ??= await (await route.fetch()).text();
    await route.fulfill({ contentType: "application/json", body: last });
  });
}

// the words of the picture that would be saved
async function wordsOfPicture(page, tab) {
  return page.evaluate(async (id) => {
    const whole = window.picture;
    const words = new Promise((done) => {
      window.picture = (...all) => (done(all), whole(...all));
    });
    document.querySelector(`#${id}-save-picture`).click();
    const [{ setting, source }, parts] = await words;
    window.picture = whole;
    return { setting, source, said: parts.at(-1).said };
  }, tab);
}

test("the share is named after what it is a share of, on the page and in the picture", async () => {
  const page = await begin("#share=0.1&size=10");
  await repeat(page, "simulate");
  const regimes = await page.evaluate(() => library.start.regimes);
  for (const { name, share: shared, share_label: label } of regimes.filter((one) => one.share)) {
    await answerOf(page, "simulate", () => page.selectOption("#laws-regime", name));
    assert.ok(shared && label);
    assert.equal(await page.textContent('label[for="laws-share"]'), label);
    const { setting } = await wordsOfPicture(page, "laws");
    assert.ok(setting.includes(`, ${label[0].toLowerCase()}${label.slice(1)} ${await share(page)},`), setting);
  }
  await page.selectOption("#laws-regime", "replace");
  await settled(page);
  assert.doesNotMatch((await wordsOfPicture(page, "laws")).setting, /share/);
  await finish(page);
});

test("a share says the items that it comes to, where they are counted", async () => {
  const page = await begin("#regime=fresh&share=0.07&size=10", { viewport: { width: 360, height: 780 } });
  await repeat(page, "simulate");
  assert.equal(await share(page), "0.07 (1 of 10 items)");
  await answerOf(page, "simulate", () => pressIn(page, "#laws-size", "ArrowRight"));
  assert.equal(await share(page), "0.07 (1 of 20 items)");
  await answerOf(page, "simulate", () => pressIn(page, "#laws-share", "ArrowRight"));
  assert.equal(await share(page), "0.1 (2 of 20 items)");
  assert.equal(await page.getAttribute("#laws-share", "aria-valuetext"), "0.1 (2 of 20 items)");
  await answerOf(page, "simulate", () => pressIn(page, "#laws-size", "End"));
  assert.equal(await share(page), "0.1 (1000 of 10000 items)");
  assert.deepEqual(await overflow(page), { page: 0, wide: [] });
  await shot(page, "items-360");
  await answerOf(page, "simulate", () => page.selectOption("#laws-regime", "detected"));
  assert.deepEqual(await overflow(page), { page: 0, wide: [] });
  await shot(page, "detected-360");
  await answerOf(page, "simulate", () => page.selectOption("#laws-regime", "mixture"));
  assert.equal(await share(page), "0.1");
  await finish(page);
});

test("a saved picture is of the setting that was answered, not of the controls", async () => {
  const page = await begin("#regime=fresh&share=0.1&size=20&seed=3");
  const before = await wordsOfPicture(page, "laws");
  assert.match(before.setting, /^Ten words by Zipf's law, .*0\.1 \(2 of 20 items\), sample size 20$/);
  const release = await hold(page, "simulate");
  await page.selectOption("#law", "die");
  await page.selectOption("#laws-regime", "mixture");
  await pressIn(page, "#laws-share", "ArrowRight");
  await pressIn(page, "#laws-size", "ArrowRight");
  await pressIn(page, "#laws-temperature", "ArrowRight");
  await page.fill("#laws-seed", "4");
  assert.deepEqual(await wordsOfPicture(page, "laws"), before);
  release();
  await settled(page);
  const after = await wordsOfPicture(page, "laws");
  assert.match(after.setting, /^A fair die, .* 0\.15, sample size 50, temperature 1\.05$/);
  assert.match(after.source, /seed 4$/);
  await finish(page);
});

test("a state that was never there is not lost", async () => {
  const page = await begin();
  const said = await page.evaluate(() => {
    const answer = { generations: [0, 1], states: ["a", "b", "c", "d"], alive: [3, 2], laws: [[], [0.5, 0.5, 0, 0]] };
    return [lawSentence(answer, 1, 3, [0.5, 0.4, 0.1, 0]), lawSentence(answer, 1, 2, [0.6, 0.4, 0, 0])];
  });
  assert.deepEqual(said, [
    "Generation 1: 2 of 3 categories are left; lost: c.",
    "Generation 1: 2 of 2 categories are left.",
  ]);
  // whether an answer has states of weight 0 or not, the last one keeps its own weight
  const law = { states: ["a", "b", "c"], weights: [3, 0, 1] };
  const real = (states) => page.evaluate(([answer, one]) => realLaw(answer, one), [{ states }, law]);
  assert.deepEqual(await real(["a", "c"]), [0.75, 0.25]);
  assert.deepEqual(await real(["a", "b", "c"]), [0.75, 0, 0.25]);
  await page.click("#own summary");
  await page.fill("#paste", "cat 30\ndog 20\nnone 0\n");
  await answerOf(page, "simulate", () => page.click("#read"));
  assert.match(await page.textContent("#bars-said"), /of 2 categories/);
  assert.doesNotMatch(await page.textContent("#bars-said"), /none/);
  await finish(page);
});

test("where there is no closed form, the page speaks for the library", async () => {
  const page = await begin();
  assert.equal(
    await page.evaluate(() => theoremSentence({ exact: null })),
    "The library has no closed form for this curve here.",
  );
  await finish(page);
});

test("the sliders do not wait for the planner", async () => {
  const page = await begin("#tab=plan");
  await page.click("#tab-laws");
  await settled(page);
  await page.click("#tab-plan");
  const release = await hold(page, "plan");
  await page.click("#ask-button");
  await page.waitForSelector("#busy:not([hidden])");
  await page.click("#tab-laws");
  const [answer] = await Promise.all([
    page.waitForResponse((one) => one.url().endsWith("/api/simulate"), { timeout: 15_000 }),
    page.selectOption("#law", "die"),
  ]);
  await answer.finished();
  await page.waitForFunction(() => benches.laws.answer.states.length === 6);
  assert.ok(await page.isVisible("#busy"), "the planner is still at work");
  release();
  await settled(page);
  assert.ok(await page.isHidden("#busy"));
  assert.ok(await page.textContent("#answer .answer"));
  await finish(page);
});

test("a link that cannot hold what is set says so: when it is copied, and when it is opened", async () => {
  const page = await begin();
  for (const name of ["simulate", "text"]) await repeat(page, name);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const copied = async (tab) => {
    await page.evaluate(() => (document.querySelector("#done").textContent = ""));
    await page.click(`#${tab} [data-copy="link"]`);
    await page.waitForFunction(() => document.querySelector("#done").textContent);
    return page.textContent("#done");
  };
  assert.match(await copied("laws"), /is on the clipboard\.$/);
  await page.click("#own summary");
  await page.fill("#paste", "50, 30, 15, 5");
  await answerOf(page, "simulate", () => page.click("#read"));
  assert.match(await copied("laws"), /is on the clipboard\.$/);
  const many = Array.from({ length: 10 }, (_, i) => `${"a long name of a state ".repeat(40)}${i}, ${i + 1}`);
  await page.fill("#paste", many.join("\n"));
  await answerOf(page, "simulate", () => page.click("#read"));
  assert.match(await copied("laws"), /does not hold your own data, which are too long for it\.$/);
  await page.click("#tab-text");
  await settled(page);
  await page.click("#text-own summary");
  await page.fill("#text-paste", "the fox saw the grapes and the fox went home . ".repeat(90));
  await answerOf(page, "text", () => page.click("#text-read"));
  assert.match(await copied("text"), /your own data, which are too long for it, nor your own text\.$/);
  const link = new URL(page.url()).hash;
  await finish(page);

  const other = await begin(link);
  const said = await other.textContent("#missing");
  assert.ok(await other.isVisible("#missing"));
  assert.match(said, /does not hold the data .* you see “Ten words by Zipf's law” instead/);
  assert.match(said, /does not hold the text .* you see “Help texts of Python” instead/);
  await other.click("#tab-laws");
  await settled(other);
  assert.equal(await other.evaluate(() => benches.laws.answer.states.length), 10);
  assert.ok(await other.isVisible("#missing"));
  // until other data are chosen
  await other.selectOption("#law", "die");
  await settled(other);
  assert.ok(await other.isHidden("#missing"));
  await finish(other);
});

test("a text that is refused does not take the place of the one that is read", async () => {
  const page = await begin("#tab=text");
  await page.click("#text-own summary");
  const good = "the fox saw the grapes and the fox went home . ".repeat(90);
  await page.fill("#text-paste", good);
  await answerOf(page, "text", () => page.click("#text-read"));
  await page.fill("#text-paste", "   ");
  await page.click("#text-read");
  assert.match(await page.textContent("#text-read-said"), /no text yet/);
  await page.fill("#text-seed", "5");
  await settled(page);
  assert.ok(await page.isHidden("#problem"));
  assert.equal(await page.evaluate(() => benches.text.body().text.own), good);
  await finish(page);
});

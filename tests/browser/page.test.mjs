// The page of `modelcollapse explore`: by keyboard, on a phone, in the dark, and when something goes wrong.
import assert from "node:assert/strict";
import { test } from "node:test";

import { TABS, begin, digits, finish, pressIn, shot, showAll, visit } from "./live.mjs";
import { answerOf, overflow, settled, violations } from "./tools.mjs";

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
      const all = [...document.querySelectorAll(able)].filter(
        (one) => !one.disabled && one.checkVisibility() && one.getAttribute("aria-selected") !== "false",
      );
      return all.map((one, i) => (one.dataset.stop = i)).length;
    });
    const reached = new Map();
    for (let i = 0; i < wanted + 5; i++) {
      const now = await page.evaluate(() => {
        const one = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        return {
          stop: one.dataset.stop,
          seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
          what: one.outerHTML.slice(0, 90),
        };
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
    const sliders = await page.$$eval(`#${tab} input[type=range]`, (all) =>
      all.filter((one) => !one.disabled).map((one) => one.id),
    );
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
    const selects = await page.$$eval(`#${tab} select`, (all) =>
      all.filter((one) => one.checkVisibility() && one.options.length > 1).map((one) => one.id),
    );
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
  await page.waitForFunction(
    (number) => document.querySelector("#live").textContent.includes(`median ${number},`),
    median,
  );
  assert.match(await page.textContent("#live"), /^Generation 50: \d+ of \d+ categories are left.*% of chains between/);
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
  assert.deepEqual(
    bodies.map((body) => body.share),
    [shares[1], shares[8]],
  );
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
  const state = (one) =>
    one.evaluate(() => [...document.querySelectorAll("[data-key]")].map((control) => [control.id, control.value]));
  const other = await begin(new URL(page.url()).hash);
  assert.deepEqual(await state(other), await state(page));
  assert.deepEqual(
    await other.evaluate(() => benches.laws.answer.laws),
    await page.evaluate(() => benches.laws.answer.laws),
  );
  await finish(other);
  await finish(page);
});

test("a link that was cut or made up does no harm", async () => {
  const page = await begin(
    "#tab=nowhere&law=%00&regime=no&share=x&size=-1&shown=1e9&own=%7B%22states&curve=__proto__&seed=-4",
  );
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
    const page = await visit(token);
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
  await page.context().close();
});

test("a link whose data make no sense is refused in a sentence, and nothing else breaks", async () => {
  const own = encodeURIComponent(JSON.stringify({ states: ["a", "b"], weights: [-1, 2] }));
  const page = await begin(`#law=own&own=${own}`);
  assert.ok(await page.isVisible("#problem"));
  assert.ok((await page.textContent("#problem")).length > 20);
  assert.ok(await page.isHidden("#laws-pictures"));
  await answerOf(page, "simulate", () => page.selectOption("#law", { index: 0 }));
  assert.ok(await page.isVisible("#laws-pictures"));
  assert.ok(await page.isHidden("#problem"));
  await finish(page);
});

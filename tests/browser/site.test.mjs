// The same page on the tables that the library wrote, as the documentation has it; and, where a built site is given,
// that none of its pages asks another host for anything.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { browser, open, outside, overflow, settled, shots, violations } from "./tools.mjs";

const { PYTHON, SITE } = process.env;
const KINDS = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

let running, server, folder, address;
before(async () => {
  running = await browser();
  folder = SITE;
  if (!folder) {
    folder = await mkdtemp(path.join(os.tmpdir(), "explore-"));
    const where = "import modelcollapse.explore as e, pathlib; print(pathlib.Path(e.__file__).parent / 'page')";
    const { stdout } = await promisify(execFile)(PYTHON, ["-c", where]);
    await cp(stdout.trim(), path.join(folder, "explore"), { recursive: true });
    await promisify(execFile)(PYTHON, [
      "-m",
      "modelcollapse.explore.tables",
      path.join(folder, "explore", "tables.json"),
    ]);
  }
  server = http.createServer(async (request, response) => {
    const file = path.join(folder, path.normalize(decodeURIComponent(request.url.split(/[?#]/)[0])));
    try {
      response.setHeader("Content-Type", KINDS[path.extname(file)] ?? "application/octet-stream");
      response.end(await readFile(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  address = `http://127.0.0.1:${server.address().port}/`;
});
after(async () => {
  await running?.close();
  server?.close();
  if (!SITE && folder) await rm(folder, { recursive: true });
});

async function begin(fragment = "", options = {}) {
  const page = await open(running, `${address}explore/page.html${fragment}`, options);
  await page.waitForSelector("#all:not([hidden])");
  await settled(page);
  return page;
}

test("on tables: sliders move, and every number is the table's", async () => {
  const page = await begin();
  const { answers, start } = JSON.parse(await readFile(path.join(folder, "explore", "tables.json"), "utf8"));
  const shared = start.regimes.find(({ share }) => share).name;
  await page.selectOption("#laws-regime", shared);
  for (const share of start.shares) {
    await page.$eval(
      "#laws-share",
      (one, i) => ((one.value = i), one.dispatchEvent(new Event("input", { bubbles: true }))),
      start.shares.indexOf(share),
    );
    await settled(page);
    const size = await page.evaluate(() => benches.laws.value("size"));
    const wanted = answers[`${start.presets[0].name}/${shared}/${share}/1/${size}`];
    assert.deepEqual(await page.evaluate(() => benches.laws.answer.curves), wanted.curves);
    assert.deepEqual(await page.evaluate(() => benches.laws.answer.laws), wanted.laws);
  }
  // fewer generations are the beginning of the same answer
  await page.focus("#laws-generations");
  await page.keyboard.press("Home");
  await settled(page);
  assert.deepEqual(await page.evaluate(() => [benches.laws.answer.generations, benches.laws.answer.laws.length]), [
    [0, 1],
    2,
  ]);
  // the call makes just these, and so does the setting that is saved; a link does not change the seed of the tables
  for (const fragment of ["", "#generations=7&seed=9&text-generations=3&text-seed=9"]) {
    const other = await begin(fragment);
    await other.click("#tab-text");
    await settled(other);
    for (const tab of ["laws", "text"]) {
      const { answer, answeredBody: body } = await other.evaluate((name) => {
        const { answer, answeredBody } = benches[name];
        return { answer, answeredBody };
      }, tab);
      assert.equal(body.generations, answer.generations.length - 1);
      const [, generations, seed] = answer.call.match(/\bgenerations=(\d+), chains=\d+, seed=(\d+),/);
      assert.deepEqual([Number(generations), Number(seed)], [body.generations, body.seed], tab);
    }
    await other.context().close();
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`on tables: the page says what is missing, axe finds nothing, nothing overflows: ${colorScheme}`, async () => {
    const page = await begin("", { colorScheme, viewport: { width: 360, height: 780 } });
    assert.match(await page.textContent("#static"), /modelcollapse explore/);
    assert.ok(await page.isVisible("#static"));
    assert.ok(await page.isHidden("#own"));
    for (const tab of ["laws", "text", "plan"]) {
      await page.click(`#tab-${tab}`);
      await settled(page);
      await page.waitForTimeout(150);
      assert.deepEqual(await violations(page), [], tab);
      assert.deepEqual(await overflow(page), { page: 0, wide: [] }, tab);
      if (shots) await page.screenshot({ path: path.join(shots, `tables-${tab}-${colorScheme}.png`), fullPage: true });
    }
    assert.ok(await page.isVisible("#plan-static"));
    assert.ok(await page.isHidden("#ask"));
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(outside(page, address), []);
    await page.context().close();
  });
}

test("no page of the site asks another host for anything", { skip: SITE ? false : "no site was given" }, async () => {
  const found = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".html"));
  assert.ok(found.length > 20, `${found.length} pages`);
  // pages of the reference are written by one template: every tenth
  const written = (name) => /^(docs.)?reference.|^_modules/.test(name);
  const queue = found.filter((name, i) => !written(name) || i % 10 === 0);
  const asked = [];
  const visit = async () => {
    const context = await running.newContext();
    const page = await context.newPage();
    // counted and stopped, so that the test does not ask either
    await page.route("**/*", (route) => {
      const url = new URL(route.request().url());
      if (url.origin === new URL(address).origin || !/^(https?|wss?):$/.test(url.protocol)) return route.continue();
      asked.push(`${page.url()} asks ${url.host}`);
      return route.abort();
    });
    for (let name = queue.shift(); name; name = queue.shift())
      await page.goto(address + name.split(path.sep).map(encodeURIComponent).join("/"), { waitUntil: "load" });
    await context.close();
  };
  await Promise.all([visit(), visit()]);
  assert.deepEqual([...new Set(asked)], []);
});

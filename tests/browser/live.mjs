// The running command for one file of tests, and what most of them do with its page.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before } from "node:test";

import { browser, explorer, open, outside, settled, shots } from "./tools.mjs";

let running, command;
before(async () => {
  [running, command] = await Promise.all([browser(), explorer()]);
});
after(async () => {
  await running?.close();
  assert.equal(await command?.end(), 0, "the command ends well when it is interrupted");
});

export const TABS = ["laws", "text", "plan"];

// a number as the page shows it
export const digits = (x, n = 5) => (x === null ? "–" : Number(Number(x).toPrecision(n)));

// the page at an address of the command, whatever its token
export const visit = (rest) => open(running, command.address.replace(/\?.*/, rest));

let hung = false; // then no other test waits for it
export async function begin(fragment = "", options = {}) {
  assert.ok(!hung, "the command does not answer any more");
  hung = true;
  const page = await open(running, command.address + fragment, options);
  await page.waitForSelector("#all:not([hidden])");
  await settled(page);
  hung = false;
  return page;
}

export async function finish(page, complaints = []) {
  assert.deepEqual(page.complaints, complaints);
  assert.deepEqual(outside(page, command.address), []);
  await page.context().close();
}

export async function shot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}

export async function showAll(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
}

export async function pressIn(page, selector, key) {
  await page.focus(selector);
  await page.keyboard.press(key);
}

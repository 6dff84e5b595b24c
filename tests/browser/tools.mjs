// The browser, the command under test, and what several tests ask of a page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const { CHROMIUM, MODULES, PYTHON, SHOTS } = process.env;
// packages are kept outside the checkout, by tests/browser/run
const load = createRequire(path.join(MODULES, "here.js"));
const { chromium } = load("playwright-core");
const axe = load("axe-core");

export const shots = SHOTS;
// milliseconds for one answer: a program may have to be compiled on a busy machine
const WAIT = 40_000;

export function browser() {
  const flags = ["gpu", "quic", "background-networking", "component-update", "sync", "dev-shm-usage"].map(
    (flag) => `--disable-${flag}`,
  );
  // Chromium's sandbox does not start as root
  if (process.getuid() === 0) flags.push("--no-sandbox");
  return chromium.launch({ executablePath: CHROMIUM, args: [...flags, "--no-first-run"] });
}

// `modelcollapse explore` on a free port: its address with the token, and how to end it
export function explorer() {
  const command = spawn(PYTHON, ["-m", "modelcollapse", "explore", "--no-browser", "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  return new Promise((done, failed) => {
    const listen = (piece) => {
      said += piece;
      const address = said.match(/http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]+/)?.[0];
      if (address) done({ address, end: () => end(command) });
    };
    command.stdout.on("data", listen);
    command.stderr.on("data", listen);
    command.on("exit", (code) => failed(new Error(`modelcollapse explore ended with ${code}: ${said}`)));
  });
}

function end(command) {
  const ended = new Promise((done) => command.on("exit", (code, signal) => done(code ?? signal)));
  command.kill("SIGINT");
  return ended;
}

// a page on which every request and every complaint of the browser is kept
export async function open(running, address, options = {}) {
  const context = await running.newContext({
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  page.requests = [];
  page.complaints = [];
  page.on("request", (request) => page.requests.push(request.url()));
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(address);
  return page;
}

export async function settled(page) {
  await page.waitForFunction(() => library.start && library.idle);
}

// what does while the next answer of api/name is awaited: that answer
export async function answerOf(page, name, act) {
  const [response] = await Promise.all([page.waitForResponse((one) => one.url().endsWith(`/api/${name}`)), act()]);
  const found = await response.json();
  await settled(page);
  return found;
}

export function outside(page, address) {
  const host = new URL(address).host;
  return page.requests.filter((url) => !/^(data|blob):/.test(url) && new URL(url).host !== host);
}

export async function violations(page) {
  await page.evaluate(axe.source);
  const { violations: found, passes } = await page.evaluate(() => axe.run());
  assert.ok(passes.length > 15, "axe looked at next to nothing");
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

export async function overflow(page) {
  return page.evaluate(() => {
    const wide = [...document.querySelectorAll("body *")].filter((one) => {
      const box = one.getBoundingClientRect();
      const scrolls = one.closest(".table, pre, blockquote");
      return (
        box.width && (!scrolls || scrolls === one) && !one.closest(".offstage, .unseen") && box.right > innerWidth + 0.5
      );
    });
    return {
      page: document.documentElement.scrollWidth - innerWidth,
      wide: wide.map((one) => one.id || one.className || one.tagName),
    };
  });
}

export async function tableOf(page, id) {
  return page.evaluate(
    (region) =>
      [...document.querySelectorAll(`#${region} tbody tr`)].map((row) =>
        [...row.children].map((cell) => cell.textContent),
      ),
    id,
  );
}

// digits of a picture: share of pixels of the most frequent colour, number of colours, and the first pixel
export async function pixels(page, png) {
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    const counted = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const colour = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
      counted.set(colour, (counted.get(colour) ?? 0) + 1);
    }
    const hex = (colour) => `#${colour.toString(16).padStart(6, "0")}`;
    const often = [...counted].sort((a, b) => b[1] - a[1]).slice(0, 40);
    return {
      width: bitmap.width,
      height: bitmap.height,
      often: often.map(([colour]) => hex(colour)),
      first: often[0][1] / (data.length / 4),
    };
  }, png.toString("base64"));
}

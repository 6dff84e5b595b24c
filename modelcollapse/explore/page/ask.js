"use strict";
// Asks the library for numbers: the running command where there is one, the tables beside the page otherwise.

const token = new URLSearchParams(location.search).get("token") ?? "";

// a sentence for the reader: this cannot be had; answer is the whole answer
class Refused extends Error {
  constructor(sentence, answer = {}) {
    super(sentence);
    this.answer = answer;
  }
}
class Broken extends Error {} // the page cannot go on

// one request is under way at a time; of those that wait, the newest of each name counts and the older ones are dropped
class Queue {
  waiting = new Map(); // name -> {body, done, failed}
  running = false;

  // the answer, or null if a newer request of the same name took its place
  ask(name, body) {
    this.waiting.get(name)?.done(null);
    const promise = new Promise((done, failed) => this.waiting.set(name, { body, done, failed }));
    this.work();
    return promise;
  }

  async work() {
    if (this.running) return;
    this.running = true;
    const slow = setTimeout(() => library.slow.add(this) && library.onBusy(true), 300);
    while (this.waiting.size) {
      const [name, { body, done, failed }] = this.waiting.entries().next().value;
      this.waiting.delete(name);
      try {
        done(library.live ? await library.send(name, body) : library.lookUp(name, body));
      } catch (problem) {
        failed(problem);
      }
    }
    clearTimeout(slow);
    this.running = false;
    library.slow.delete(this);
    library.onBusy(library.slow.size > 0);
  }
}

const library = {
  live: true,
  start: null, // what can be chosen
  tables: null,
  // the planner may take long, and no slider waits for it
  queues: { plan: new Queue(), rest: new Queue() },
  slow: new Set(), // the queues that take a while
  onBusy: () => {},

  get idle() {
    return Object.values(this.queues).every(({ running, waiting }) => !running && !waiting.size);
  },

  async open() {
    // a page that the command serves has a token; the page of a documentation has tables beside it
    if (!token && (await this.readTables())) return;
    this.start = await this.send("start", {});
    this.live = this.start.live !== false;
  },

  async readTables() {
    try {
      const answer = await fetch("tables.json");
      if (!answer.ok) return false;
      this.tables = await answer.json();
    } catch {
      if (location.protocol !== "file:") return false;
      throw new Broken(
        "A browser does not read tables from a file's address: " +
          "open this page from a web server, such as python -m http.server.",
      );
    }
    this.start = this.tables.start;
    this.live = false;
    return true;
  },

  // the answer, or null if a newer request of the same name took its place
  ask(name, body) {
    return (this.queues[name] ?? this.queues.rest).ask(name, body);
  },

  async send(name, body) {
    let answer;
    try {
      answer = await fetch(`api/${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Token": token },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Broken("The library does not answer. Is the command modelcollapse explore still running?");
    }
    if (answer.status === 403)
      throw new Broken(
        "This address has no token, or a wrong one. Open the address that modelcollapse explore printed.",
      );
    if (answer.status === 413) throw new Refused("That is more than this page takes.");
    const found = await answer.json().catch(() => null);
    if (!answer.ok || found === null)
      throw new Broken(`The library could not answer (HTTP ${answer.status}). The command's own window says why.`);
    if (found.refused) throw new Refused(found.refused, found);
    return found;
  },

  lookUp(name, body) {
    const regimes = name === "text" ? this.start.text.regimes : this.start.regimes;
    const shared = regimes.find((one) => one.name === body.regime)?.share;
    const share = shared ? body.share : "-";
    const [table, key] =
      name === "text"
        ? [this.tables.texts, [body.text.name, body.regime, share, body.order, body.size]]
        : [this.tables.answers, [body.source?.preset, body.regime, share, body.temperature, body.size]];
    const found = table?.[key.join("/")];
    if (!found)
      throw new Refused("The tables of this page do not hold that: run modelcollapse explore on your computer.");
    return shorter(found, body.generations + 1);
  },
};

// the first generations of an answer, and the call that makes no more
function shorter(answer, count) {
  const first = (list) => list.slice(0, count);
  const curve = (one) => ({
    ...one,
    ...Object.fromEntries(["median", "low", "high", "mean"].map((name) => [name, first(one[name])])),
    chains: one.chains.map(first),
    exact: one.exact && { ...one.exact, values: first(one.exact.values) },
  });
  const curves = Object.fromEntries(Object.entries(answer.curves).map(([name, one]) => [name, curve(one)]));
  const call = answer.call.replace(/\bgenerations=\d+(?=, chains=)/, `generations=${count - 1}`);
  const found = { ...answer, curves, call, generations: first(answer.generations) };
  for (const name of ["laws", "alive", "texts"]) if (answer[name]) found[name] = first(answer[name]);
  return found;
}

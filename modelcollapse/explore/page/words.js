"use strict";
// Numbers, sentences, tables and files: what the page says of an answer.

// four significant digits, as a person writes them
function written(x, digits = 4) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return String(x);
  const size = Math.abs(x);
  return size !== 0 && (size < 1e-4 || size >= 1e7)
    ? x.toExponential(digits - 1)
    : String(Number(x.toPrecision(digits)));
}

// a message as a sentence
function sentence(message) {
  return message && message[0].toUpperCase() + message.slice(1) + (/[.?!:]$/.test(message) ? "" : ".");
}

function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

function element(name, attributes = {}, ...inner) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...inner);
  return made;
}

// what stands beside an exact curve: is it the mean itself, a bound of it, or a limit?
function exactName(exact) {
  return (
    { "lower bound": "proved lower bound of the exact mean", "upper bound": "proved upper bound of the exact mean" }[
      exact.kind
    ] ?? (exact.order === "exact" ? "exact mean" : `mean by theory (${exact.order})`)
  );
}

function curveName(curve) {
  return curve.unit ? `${curve.label} (${curve.unit})` : curve.label;
}

function curveSentence(curve, shown) {
  const at = (values) => written(values[shown]);
  const exact = curve.exact ? `, ${exactName(curve.exact)} ${at(curve.exact.values)}` : "";
  return (
    `${curve.label}: median ${at(curve.median)}, ` +
    `${library.start.band * 100}% of chains between ${at(curve.low)} and ${at(curve.high)}, ` +
    `mean ${at(curve.mean)}${exact}.`
  );
}

function theoremSentence(curve) {
  const exact = curve.exact;
  if (!exact) return "The library has no closed form for this curve here.";
  const conditions = exact.conditions ? ` It holds for: ${exact.conditions}.` : "";
  return `Dashed curve: ${exact.formula}, theorem ${exact.theorem}.${conditions}`;
}

// whole: how many categories there really are
function lawSentence(answer, shown, whole, real) {
  const law = answer.laws[shown];
  const alive = answer.alive[shown];
  const dead = answer.states.filter((_, i) => law[i] === 0 && real[i] > 0);
  const names = dead.length > 8 ? `${dead.slice(0, 8).join(", ")} and others` : dead.join(", ");
  return (
    `Generation ${answer.generations[shown]}: ${alive} of ${whole} categories are left` +
    (dead.length ? `; lost: ${names}.` : ".")
  );
}

function fillTable(region, caption, head, rows) {
  const line = (cells) => {
    const [first, ...others] = cells;
    return element("tr", {}, element("th", { scope: "row" }, first), ...others.map((cell) => element("td", {}, cell)));
  };
  region.replaceChildren(
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map(line)),
    ),
  );
}

function curvesTable(region, curve, generations) {
  const columns = [
    ["median", curve.median],
    ["low", curve.low],
    ["high", curve.high],
    ["mean", curve.mean],
  ];
  if (curve.exact) columns.push([exactName(curve.exact), curve.exact.values]);
  const names = ["generation", ...columns.map(([name]) => name)];
  const caption = `${curveName(curve)}: statistics over ${curve.count} chains`;
  fillTable(
    region,
    caption,
    names,
    generations.map((g, i) => [String(g), ...columns.map(([, values]) => written(values[i], 5))]),
  );
}

function lawTable(region, answer, real, shown) {
  const rows = answer.states.map((name, i) => [name, written(real[i], 5), written(answer.laws[shown][i], 5)]);
  fillTable(region, "Share of each category", ["category", "real", `generation ${answer.generations[shown]}`], rows);
}

// one line a generation, one column a curve and statistic
function csvOf(answer) {
  const columns = [["generation", answer.generations]];
  for (const [name, curve] of Object.entries(answer.curves)) {
    for (const statistic of ["median", "low", "high", "mean"]) columns.push([`${name}_${statistic}`, curve[statistic]]);
    if (curve.exact) columns.push([`${name}_exact`, curve.exact.values]);
    curve.chains.forEach((values, i) => columns.push([`${name}_chain_${i}`, values]));
  }
  answer.states?.forEach((state, i) => columns.push([`law: ${state}`, answer.laws.map((law) => law[i])]));
  if (answer.texts) columns.push(["text", answer.texts]);
  const cell = (value) => {
    let text = String(value ?? "");
    // a spreadsheet must not take a word of the reader's for a formula
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [
    columns.map(([name]) => cell(name)),
    ...answer.generations.map((_, i) => columns.map(([, values]) => cell(values[i]))),
  ];
  return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
}

function saveFile(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

"use strict";

// Data of the page, kept once as columns; r in thousandths, null where a model has none.
const data = JSON.parse(document.getElementById("page-data").textContent);

const fill = (node, attributes, content) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  // Strings become text nodes, whatever they hold: no name from the data is ever read as HTML.
  node.append(...[content].flat().filter((part) => part !== undefined));
  return node;
};
const make = (tag, attributes = {}, content = []) => fill(document.createElement(tag), attributes, content);
const draw = (tag, attributes = {}) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, []);

const labelOf = (gene) => (data.symbols[gene] ? `${data.symbols[gene]} (${data.genes[gene]})` : data.genes[gene]);
const grouped = (count) => count.toLocaleString("en-US");
const minus = (text) => text.replaceAll("-", "−");
const showR = (r) => (r === null || Number.isNaN(r) ? "–" : minus((Math.round(r * 1000) / 1000 + 0).toFixed(3)));
const rOf = (model, gene) => (data.r[model][gene] === null ? null : data.r[model][gene] / 1000);
const bestR = (gene) => (data.best[gene] === null ? null : rOf(data.best[gene], gene));

// As typeset_p of Python writes it.
const showP = (p) => {
  if (p === null) return ["–"];
  if (p >= 0.995) return ["1.0"];
  const [digits, power] = p.toExponential(1).split("e-");
  if (p === 0) return ["<\u00a01\u00a0×\u00a010", make("sup", {}, "−300")];
  return Number(power) <= 3 ? [p.toFixed(1 + Number(power))] : [`${digits}\u00a0×\u00a010`, make("sup", {}, `−${power}`)];
};
const chip = (model) => {
  const svg = draw("svg", { class: "chip", viewBox: "0 0 10 10", "aria-hidden": "true" });
  svg.append(draw("path", { d: data.outlines[model], style: `fill:var(--${data.colours[model]})` }));
  return svg;
};

for (const button of document.querySelectorAll(".copy")) {
  const source = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(source);
    navigator.clipboard?.writeText(source.textContent).then(() => { button.textContent = "Copied"; }, () => {});
  });
}

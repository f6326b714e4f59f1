"use strict";

// Data of the page, kept once as columns; r in thousandths, null where a model has none.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const data = read("page-data");

const SVG = document.querySelector("svg").namespaceURI;

const fill = (node, attributes, content) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  // Strings become text nodes, whatever they hold: no name from the data is ever read as HTML.
  node.append(...[content].flat().filter((part) => part !== undefined));
  return node;
};
const make = (tag, attributes = {}, content = []) => fill(document.createElement(tag), attributes, content);
const draw = (tag, attributes = {}, content = []) => fill(document.createElementNS(SVG, tag), attributes, content);

const labelOf = (gene) => (data.symbols[gene] ? `${data.symbols[gene]} (${data.genes[gene]})` : data.genes[gene]);
const grouped = (count) => count.toLocaleString("en-US");
const minus = (text) => text.replaceAll("-", "−");
const showR = (r) => (r === null || Number.isNaN(r) ? "–" : minus((Math.round(r * 1000) / 1000 + 0).toFixed(3)));
const fixed = (value) => value.toFixed(1);

// Does once, before the next frame, what many calls ask for while a window is resized.
const soon = (task) => {
  let asked = 0;
  return () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(task);
  };
};

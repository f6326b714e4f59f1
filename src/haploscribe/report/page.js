"use strict";
(() => {
  const table = document.getElementById("gene-table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const points = Array.from(document.querySelectorAll("svg .points circle"));
  const number = (text) => parseFloat(text.replace("−", "-").replace(/,/g, ""));
  const value = (row, column) => {
    const text = row.cells[column].textContent;
    return column === 0 ? text : number(text);
  };

  const sort = (heading) => {
    const column = heading.cellIndex;
    const state = heading.getAttribute("aria-sort");
    const direction = state === "descending" || (state === null && column === 0) ? "ascending" : "descending";
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (column === 0) return sign * a.localeCompare(b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    });
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    body.append(...keyed.map(([, row]) => row));
  };

  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }

  const find = document.getElementById("find");
  const found = document.getElementById("found");
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    const hits = new Set();
    for (const row of rows) {
      const gene = row.cells[0].textContent;
      row.hidden = !gene.toLowerCase().includes(wanted);
      if (!row.hidden && wanted) hits.add(gene);
    }
    found.textContent = wanted ? `${hits.size} of ${rows.length} genes, marked in the scatter` : "";
    for (const point of points) {
      const title = point.firstChild.textContent;
      point.classList.toggle("found", hits.has(title.slice(0, title.lastIndexOf(": "))));
    }
  });
  document.getElementById("find-form").hidden = false;
})();

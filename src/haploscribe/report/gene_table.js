
// The table of genes: sorted and searched in memory, a page of rows in the document.
(() => {
  const PAGE = 25, PRINTED = 200;
  const table = document.getElementById("gene-table"), body = table.tBodies[0];
  const headings = Array.from(table.tHead.rows[0].cells);
  const find = document.getElementById("find"), found = document.getElementById("found");
  const pages = document.getElementById("pages"), shown = document.getElementById("shown");
  const FIXED = 6, onlyQ = document.getElementById("only-q"), onlyR = document.getElementById("only-r");
  const lower = data.genes.map((_, gene) => labelOf(gene).toLowerCase());
  const constant = data.constant.map((genes) => new Set(genes));
  const opened = new Set();
  let order = data.genes.map((_, gene) => gene), hits = order, first = 0;

  const ranked = (text) => {
    const collator = new Intl.Collator("en", { numeric: true }), ranks = [];
    data.genes.map((_, gene) => gene).sort((a, b) => collator.compare(text(a), text(b))).forEach((gene, rank) => { ranks[gene] = rank; });
    return ranks;
  };
  const placeOf = (gene) => (data.places[gene] ? `${data.places[gene][0]}:${grouped(data.places[gene][1])}` : "–");
  const bestOf = (gene) => (data.best[gene] === null ? "–" : data.models[data.best[gene]]);
  const columns = [
    () => ranked(labelOf),
    () => ranked((gene) => (data.places[gene] ? data.places[gene].join(":") : "~")),
    () => ranked(bestOf),
    () => data.genes.map((_, gene) => bestR(gene)),
    () => data.q,
    () => data.variants,
  ];
  const known = new Map();
  const values = (column) => {
    if (column >= FIXED) return data.r[column - FIXED];
    if (!known.has(column)) known.set(column, columns[column]());
    return known.get(column);
  };

  const sort = (column, direction) => {
    const of = values(column), sign = direction === "ascending" ? 1 : -1;
    // Genes without a value come last either way.
    order.sort((a, b) => (of[a] === null) - (of[b] === null) || sign * (of[a] - of[b]) || a - b);
    headings.forEach((heading, i) => {
      if (i === column) heading.setAttribute("aria-sort", direction);
      else heading.removeAttribute("aria-sort");
    });
    search();
    bringIntoView(headings[column]);
  };

  // The sorted column stands right of the first one, which stays where it is.
  const bringIntoView = (heading) => {
    const scroller = table.parentNode, hidden = headings[0].offsetWidth;
    if (heading === headings[0]) return;
    const left = heading.offsetLeft - scroller.scrollLeft, right = left + heading.offsetWidth;
    if (left < hidden || right > scroller.clientWidth) scroller.scrollLeft = heading.offsetLeft - hidden;
  };

  const search = () => {
    const wanted = find.value.trim().toLowerCase();
    const q = onlyQ.checked, r = onlyR.checked, filtered = wanted || q || r;
    const kept = (gene) =>
      lower[gene].includes(wanted) && !(q && !(data.q[gene] !== null && data.q[gene] < 0.05)) && !(r && !(bestR(gene) > 0.1));
    hits = filtered ? order.filter(kept) : order;
    found.textContent = filtered ? `${grouped(hits.length)} of ${grouped(order.length)} genes` : "";
    first = 0;
    show();
  };

  const sortedBy = () => {
    const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    return column >= FIXED ? `r of ${data.models[column - FIXED]}` : ["name", "position", "best model", "best r", "q", "variants"][column];
  };

  const show = (count = PAGE) => {
    body.replaceChildren(...hits.slice(first, first + count).flatMap(rowsOf));
    const last = Math.min(first + count, hits.length);
    shown.textContent = hits.length
      ? `${grouped(first + 1)}–${grouped(last)} of ${grouped(hits.length)}, by ${sortedBy()}`
      : "no such gene";
    pages.hidden = hits.length > 0 && hits.length <= PAGE;
    for (const button of pages.querySelectorAll("button")) {
      const there = button.dataset.to === "first" || button.dataset.to === "previous" ? first > 0 : last < hits.length;
      button.setAttribute("aria-disabled", String(!there));
    }
  };

  const turn = (to) => {
    const end = Math.max(0, Math.floor((hits.length - 1) / PAGE) * PAGE);
    first = { first: 0, previous: Math.max(0, first - PAGE), next: Math.min(end, first + PAGE), last: end }[to];
    show();
  };

  const rowsOf = (gene) => {
    const open = opened.has(gene);
    const button = make("button", { type: "button", class: "open", "aria-expanded": String(open), "data-gene": gene }, labelOf(gene));
    const cells = data.r.map((of, model) =>
      make("td", {}, [showR(of[gene] === null ? null : of[gene] / 1000), ...(constant[model].has(gene) ? [make("sup", {}, "c")] : [])]));
    const best = data.best[gene];
    const row = make("tr", {}, [
      make("th", { scope: "row" }, button),
      make("td", {}, placeOf(gene)),
      make("td", {}, best === null ? "–" : [chip(best), data.models[best]]),
      make("td", {}, showR(bestR(gene))),
      make("td", {}, showP(data.q[gene])),
      make("td", {}, grouped(data.variants[gene])),
      ...cells,
    ]);
    if (!open) return [row];
    button.setAttribute("aria-controls", `opened-${gene}`);
    return [row, detail(gene)];
  };

  const detail = (gene) => {
    const inside = make("div", { class: "inside", id: `opened-${gene}`, role: "region", "aria-label": labelOf(gene) });
    inside.append(...contents(gene));
    return make("tr", { class: "detail" }, make("td", { colspan: headings.length }, inside));
  };

  const contents = (gene) => {
    const name = data.genes[gene], best = data.best[gene], held = document.getElementById(`detail-${gene}`);
    const fact = (term, ...value) => make("div", {}, [make("dt", {}, term), make("dd", {}, value)]);
    const h2 = data.heritability[gene];
    const facts = best === null ? [] : [make("dl", { class: "facts" }, [
      fact("Best model", chip(best), data.models[best]),
      fact("r", showR(bestR(gene))),
      fact("p", ...showP(data.p[gene])),
      fact("R²", showR(data.r2[gene])),
      fact("h²", h2 === undefined ? "not estimated" : showR(h2)),
    ])];
    if (held) return [...facts, held.content.cloneNode(true)];
    const quoted = /^[\w.:-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
    return [...facts, make("p", {}, "The page holds figures of its best-predicted genes alone. This draws the region of this one:"),
      make("p", {}, make("code", {}, `haploscribe explain --results DIR --gene ${quoted} --out DIR`))];
  };

  const toggle = (button) => {
    const gene = Number(button.dataset.gene), row = button.closest("tr"), open = opened.delete(gene);
    if (open) {
      row.nextElementSibling.remove();
      button.removeAttribute("aria-controls");
    } else {
      opened.add(gene);
      row.after(detail(gene));
      button.setAttribute("aria-controls", `opened-${gene}`);
    }
    button.setAttribute("aria-expanded", String(!open));
  };

  headings.forEach((heading, column) => {
    const button = make("button", { type: "button" }, Array.from(heading.childNodes));
    button.addEventListener("click", () => {
      const state = heading.getAttribute("aria-sort");
      sort(column, state === "descending" || (state === null && [0, 1, 2, 4].includes(column)) ? "ascending" : "descending");
    });
    // Browsers neither wrap nor repeat a button on paper.
    heading.append(make("span", { class: "printed" }, button.textContent), button);
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) toggle(button);
  });
  pages.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.getAttribute("aria-disabled") !== "true") turn(button.dataset.to);
  });
  for (const control of [find, onlyQ, onlyR]) control.addEventListener("input", search);
  document.getElementById("download").addEventListener("click", () => {
    const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
    const heading = ["gene_id", "symbol", "contig", "tss", "best_model", "best_r", "q", "variants", ...data.models.map((model) => `r_${model}`)];
    const lines = hits.map((gene) => [
      data.genes[gene], data.symbols[gene], ...(data.places[gene] ?? ["", ""]), data.best[gene] === null ? "" : bestOf(gene),
      bestR(gene), data.q[gene], data.variants[gene], ...data.models.map((_, model) => rOf(model, gene)),
    ]);
    const text = [heading, ...lines].map((line) => `${line.map(quoted).join(",")}\n`).join("");
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "genes.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  scatter.onOpen((gene) => {
    find.value = data.genes[gene];
    onlyQ.checked = onlyR.checked = false;
    opened.add(gene);
    search();
    body.querySelector(`button[data-gene="${gene}"]`).focus();
  });
  addEventListener("beforeprint", () => show(PRINTED));
  addEventListener("afterprint", () => show());

  document.getElementById("find-form").hidden = false;
  sort(3, "descending");
})();

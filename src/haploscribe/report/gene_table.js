
// The table of genes: sorted and searched in memory, a page of rows in the document.
(() => {
  const PAGE = 25, PRINTED = 200;
  let regions;
  // Parsed when the first row is opened: they are most of a page's bytes.
  const regionOf = (name) => {
    regions ??= read("region-data");
    return Object.hasOwn(regions, name) ? regions[name] : null;
  };
  const table = document.getElementById("gene-table"), body = table.tBodies[0];
  const headings = Array.from(table.tHead.rows[0].cells);
  const find = document.getElementById("find"), found = document.getElementById("found");
  const pages = document.getElementById("pages"), shown = document.getElementById("shown");
  const lower = data.genes.map((_, gene) => labelOf(gene).toLowerCase());
  const constant = data.constant.map((genes) => new Set(genes));
  const opened = new Set();
  let order = data.genes.map((_, gene) => gene), hits = order, first = 0, ranks = null;

  const values = (column) => {
    if (column === 1) return data.variants;
    if (column > 1) return data.r[column - 2];
    if (!ranks) {
      const collator = new Intl.Collator("en", { numeric: true });
      ranks = [];
      data.genes.map((_, gene) => gene).sort((a, b) => collator.compare(labelOf(a), labelOf(b)))
        .forEach((gene, rank) => { ranks[gene] = rank; });
    }
    return ranks;
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
  };

  const search = () => {
    const wanted = find.value.trim().toLowerCase();
    hits = wanted ? order.filter((gene) => lower[gene].includes(wanted)) : order;
    found.textContent = wanted ? `${grouped(hits.length)} of ${grouped(order.length)} genes` : "";
    scatter.mark(wanted ? hits : []);
    first = 0;
    show();
  };

  const sortedBy = () => {
    const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    return column > 1 ? `r of ${data.models[column - 2]}` : ["name", "variants"][column];
  };

  const show = (count = PAGE) => {
    body.replaceChildren(...hits.slice(first, first + count).flatMap(rowsOf));
    const last = Math.min(first + count, hits.length);
    shown.textContent = hits.length
      ? `${grouped(first + 1)}–${grouped(last)} of ${grouped(hits.length)}, by ${sortedBy()}`
      : "no gene has this in its name";
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
    const row = make("tr", {}, [make("th", { scope: "row" }, button), make("td", {}, grouped(data.variants[gene])), ...cells]);
    if (!open) return [row];
    button.setAttribute("aria-controls", `region-${gene}`);
    return [row, detail(gene)];
  };

  const detail = (gene) => {
    const inside = make("div", { class: "inside", id: `region-${gene}`, role: "region", "aria-label": `Region of ${labelOf(gene)}` });
    inside.append(...contents(gene));
    return make("tr", { class: "detail" }, make("td", { colspan: headings.length }, inside));
  };

  const contents = (gene) => {
    const name = data.genes[gene], region = regionOf(name);
    if (!region) {
      const quoted = /^[\w.:-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
      return [make("p", {}, "The page holds no figure of this gene’s region. This draws it:"),
        make("p", {}, make("code", {}, `haploscribe explain --results DIR --gene ${quoted} --out DIR`))];
    }
    const width = Math.max(280, Math.min(1080, Math.floor(table.parentNode.clientWidth - 16)));
    const drawn = region.positions.length;
    const thinned = drawn < region.n_variants
      ? ` ${grouped(drawn)} of ${grouped(region.n_variants)} variants are drawn: those with p < 0.001, those with the largest effects, and the outline of the rest.`
      : "";
    return [drawRegion(region, width),
      make("p", { class: "legend" }, `Rest the pointer on a mark to read its name and value. The vertical line is the transcription start.${thinned}`)];
  };

  const toggle = (button) => {
    const gene = Number(button.dataset.gene), row = button.closest("tr"), open = opened.delete(gene);
    if (open) {
      row.nextElementSibling.remove();
      button.removeAttribute("aria-controls");
    } else {
      opened.add(gene);
      row.after(detail(gene));
      button.setAttribute("aria-controls", `region-${gene}`);
    }
    button.setAttribute("aria-expanded", String(!open));
  };

  headings.forEach((heading, column) => {
    const button = make("button", { type: "button" }, Array.from(heading.childNodes));
    button.addEventListener("click", () => {
      const state = heading.getAttribute("aria-sort");
      sort(column, state === "descending" || (state === null && column === 0) ? "ascending" : "descending");
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
  find.addEventListener("input", search);
  scatter.onOpen((gene) => {
    find.value = data.genes[gene];
    opened.add(gene);
    search();
    body.querySelector(`button[data-gene="${gene}"]`).focus();
  });
  addEventListener("resize", soon(() => {
    for (const gene of opened) document.getElementById(`region-${gene}`)?.replaceChildren(...contents(gene));
  }));
  addEventListener("beforeprint", () => show(PRINTED));
  addEventListener("afterprint", () => show());

  document.getElementById("find-form").hidden = false;
  sort(data.sorted + 2, "descending");
})();


// One model against any other, drawn from the data; the static scatters are for paper and for no script.
const scatter = (() => {
  const form = document.getElementById("pair-form");
  if (!form) return { mark: () => {}, onOpen: () => {} };
  const LEFT = 50, RIGHT = 450, TOP = 10, BOTTOM = 410, NEAR = 12;
  const [across, up] = ["pair-x", "pair-y"].map((id) => document.getElementById(id));
  const place = document.getElementById("pair-figure"), said = document.getElementById("pair-point");
  const { low, high, ticks, labels } = data.axis;
  const at = (thousandths, from, to) => from + ((thousandths / 1000 - low) / (high - low)) * (to - from);
  const text = (x, y, content, css, anchor = "middle") => draw("text", { class: css, x, y, "text-anchor": anchor }, content);
  let svg, halo, marks, points = [], marked = [], opened = () => {};

  const dots = (of, css, radius) =>
    draw("path", { class: css, style: `stroke-width:${2 * radius}`, d: of.map(([, x, y]) => `M${fixed(x)} ${fixed(y)}h0`).join("") });

  const showMarks = () => {
    const wanted = new Set(marked);
    marks.replaceChildren(dots(points.filter(([gene]) => wanted.has(gene)), "found", 4));
  };

  const redraw = () => {
    const [i, j] = [across.value, up.value].map(Number);
    const [x, y] = [data.r[i], data.r[j]], [nameX, nameY] = [data.models[i], data.models[j]];
    points = [];
    for (let gene = 0; gene < x.length; gene++) {
      if (x[gene] !== null && y[gene] !== null) points.push([gene, at(x[gene], LEFT, RIGHT), at(y[gene], BOTTOM, TOP)]);
    }
    const higher = (a, b) => data.higher[a][b];
    const told = `Scatter of Pearson r per gene, ${nameY} against ${nameX}: ${nameY} is higher in ` +
      `${grouped(higher(j, i))} genes, ${nameX} in ${grouped(higher(i, j))}.`;
    const frame = [];
    ticks.forEach((tick, k) => {
      const [h, v] = [fixed(at(tick * 1000, LEFT, RIGHT)), fixed(at(tick * 1000, BOTTOM, TOP))];
      const css = tick ? "grid" : "zero";
      frame.push(draw("path", { class: css, d: `M${h} ${TOP}V${BOTTOM}` }), text(h, BOTTOM + 16, labels[k], "tick x"));
      frame.push(draw("path", { class: css, d: `M${LEFT} ${v}H${RIGHT}` }), text(LEFT - 6, Number(v) + 4, labels[k], "tick y", "end"));
    });
    frame.push(draw("path", { class: "base", d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}` }));
    frame.push(draw("path", { class: "identity", d: `M${LEFT} ${BOTTOM}L${RIGHT} ${TOP}` }));
    const radius = points.length <= 100 ? 3.6 : points.length <= 1000 ? 2.6 : points.length <= 5000 ? 1.8 : 1.2;
    frame.push(dots(points, "dots", radius));
    if (points.length) {
      const mean = (k) => points.reduce((sum, point) => sum + point[k], 0) / points.length;
      frame.push(draw("path", { class: "mean", d: `M${fixed(mean(1) - 6)} ${fixed(mean(2))}h12m-6 -6v12` }));
    }
    marks = draw("g");
    halo = draw("g");
    frame.push(marks, halo);
    frame.push(text(LEFT + 8, TOP + 18, `${nameY} higher: ${grouped(higher(j, i))}`, "note", "start"));
    frame.push(text(RIGHT - 8, BOTTOM - 10, `${nameX} higher: ${grouped(higher(i, j))}`, "note", "end"));
    frame.push(text((LEFT + RIGHT) / 2, BOTTOM + 36, `${nameX}, Pearson r`, "label"));
    frame.push(draw("g", { transform: `translate(13 ${(TOP + BOTTOM) / 2})rotate(-90)` }, text(0, 0, `${nameY}, Pearson r`, "label")));
    svg = draw("svg", { viewBox: "0 0 460 454", role: "img", "aria-label": told, class: "pair" }, frame);
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerleave", () => { halo.replaceChildren(); said.textContent = ""; });
    svg.addEventListener("click", (event) => { const gene = nearest(event); if (gene) opened(gene[0]); });
    place.replaceChildren(svg);
    showMarks();
    document.getElementById("pair-numbers").replaceChildren(...numbers(i, j));
  };

  const numbers = (i, j) => {
    const row = (name, ...value) => make("tr", {}, [make("th", { scope: "row" }, name), make("td", {}, value)]);
    const [a, b] = [Math.max(i, j), Math.min(i, j)], pair = data.pairs[`${a} ${b}`], sign = j === a ? 1 : -1;
    if (i === j || !pair) return [row("Compared", i === j ? "a model with itself: choose another" : "no genes in common")];
    const ci = pair.ci && pair.ci.map((end) => sign * end).sort((m, n) => m - n).map(showR).join(" to ");
    const written = (p) => {
      const [digits, power] = p.split("e-");
      return power ? [`${digits} × 10`, make("sup", {}, `−${power}`)] : [p];
    };
    return [
      row("Genes", grouped(pair.genes)),
      row(`Mean r of ${data.models[j]}`, showR(j === a ? pair.means[0] : pair.means[1])),
      row(`Mean r of ${data.models[i]}`, showR(j === a ? pair.means[1] : pair.means[0])),
      row("Difference in mean r", showR(sign * (pair.means[0] - pair.means[1]))),
      row("95 % interval", ci || "–"),
      row("Paired p", ...written(pair.p)),
      row("q over all pairs", ...written(pair.q)),
    ];
  };

  const nearest = (event) => {
    const box = svg.getBoundingClientRect(), scale = 460 / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = null, least = NEAR ** 2;
    for (const one of points) {
      const distance = (one[1] - x) ** 2 + (one[2] - y) ** 2;
      if (distance < least) [best, least] = [one, distance];
    }
    return best;
  };
  const point = (event) => {
    const best = nearest(event);
    halo.replaceChildren(...(best ? [draw("circle", { class: "halo", cx: best[1], cy: best[2], r: 6 })] : []));
    said.textContent = best
      ? `${labelOf(best[0])}: ${[up, across].map((select) => `${data.models[select.value]} ${showR(data.r[select.value][best[0]] / 1000)}`).join(", ")}`
      : "";
  };

  for (const select of [across, up]) {
    data.models.forEach((model, i) => select.append(make("option", { value: i }, model)));
    select.addEventListener("change", redraw);
  }
  across.value = data.baseline;
  up.value = data.best;
  document.getElementById("pair-swap").addEventListener("click", () => {
    [across.value, up.value] = [up.value, across.value];
    redraw();
  });
  redraw();
  document.getElementById("pair").hidden = false;

  const printed = document.getElementById("static-scatters");
  printed.open = false;
  addEventListener("beforeprint", () => { printed.open = true; });
  addEventListener("afterprint", () => { printed.open = false; });
  return {
    mark: (genes) => { marked = genes; showMarks(); },
    onOpen: (task) => { opened = task; },
  };
})();

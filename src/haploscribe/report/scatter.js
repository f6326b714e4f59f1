
// One static scatter at a time, and the gene under the pointer; all are shown on paper and without script.
const scatter = (() => {
  const holder = document.getElementById("scatters");
  if (!holder) return { onOpen: () => {} };
  const NEAR = 9;
  const figures = Array.from(holder.children), chosen = document.getElementById("scatter-model");
  const said = document.getElementById("scatter-point");
  const models = figures.map((figure) => data.models.indexOf(figure.dataset.model));
  let opened = () => {};

  const nearest = (event, number) => {
    const svg = figures[number].querySelector("svg"), frame = svg.getBoundingClientRect(), box = data.boxes[number];
    const scale = svg.viewBox.baseVal.width / frame.width;
    const [x, y] = [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
    const [xs, ys] = [data.r[data.baseline], data.r[models[number]]];
    let best = null, least = NEAR ** 2;
    for (let gene = 0; gene < xs.length; gene++) {
      if (xs[gene] === null || ys[gene] === null) continue;
      const at = [
        box.left + ((xs[gene] / 1000 - box.x0) / (box.x1 - box.x0)) * (box.right - box.left),
        box.bottom + ((ys[gene] / 1000 - box.y0) / (box.y1 - box.y0)) * (box.top - box.bottom),
      ];
      const distance = (at[0] - x) ** 2 + (at[1] - y) ** 2;
      if (distance < least) [best, least] = [{ gene, at }, distance];
    }
    return best;
  };

  figures.forEach((figure, number) => {
    const svg = figure.querySelector("svg");
    const halo = draw("circle", { class: "halo", r: 4.5, visibility: "hidden" });
    svg.append(halo);
    const show = (event) => {
      const best = event && nearest(event, number);
      halo.setAttribute("visibility", best ? "visible" : "hidden");
      if (best) {
        halo.setAttribute("cx", best.at[0]);
        halo.setAttribute("cy", best.at[1]);
      }
      said.textContent = best
        ? `${labelOf(best.gene)}: ${[models[number], data.baseline].map((model) => `${data.models[model]} ${showR(rOf(model, best.gene))}`).join(", ")}`
        : "";
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerleave", () => show(null));
    svg.addEventListener("click", (event) => {
      const best = nearest(event, number);
      if (best) opened(best.gene);
    });
    chosen.append(make("option", { value: number }, figure.dataset.model));
  });
  chosen.append(make("option", { value: "all" }, "all models"));
  const choose = () => figures.forEach((figure, number) => { figure.hidden = chosen.value !== "all" && Number(chosen.value) !== number; });
  const mean = (model) => data.r[model].reduce((sum, r) => sum + r, 0);
  chosen.value = models.indexOf(models.reduce((a, b) => (mean(b) > mean(a) ? b : a)));
  chosen.addEventListener("change", choose);
  choose();
  holder.classList.add("choosing");
  for (const id of ["scatter-form", "scatter-help"]) document.getElementById(id).hidden = false;
  return { onOpen: (task) => { opened = task; } };
})();

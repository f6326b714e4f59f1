
// The region figure, as region_figure.py draws it; `width` in pixels, so that text keeps its size on a phone.
const drawRegion = (region, width) => {
  const LEFT = 52, RIGHT = width - 12, LANE = 22, CHARACTER = 8.4, GAP = 12, TITLE = 18;
  const P_HEIGHT = 110, EFFECT_HEIGHT = 62, TILE_HEIGHT = 44, MOST_HEADS = 100;
  const HEADS = ["m0 -4l3.6 4l-3.6 4l-3.6 -4z", "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", "m-2.8 -2.8h5.6v5.6h-5.6z"];
  const { start, end, positions, names, p } = region;
  const parts = [];
  let bottom = 4;

  const x = (position) => LEFT + ((position - start) / (end - start)) * (RIGHT - LEFT);
  const y = (value, track, height) => bottom + height - ((value - track.low) / (track.high - track.low)) * (height - TITLE);
  const signed = (value) => minus(value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value));
  const text = (at, level, content, css, anchor = "middle") =>
    draw("text", { class: css, x: fixed(at), y: fixed(level), "text-anchor": anchor }, content);
  const titled = (content) => draw("title", {}, content);
  const frame = (track, height) => {
    parts.push(text(LEFT, bottom + 10, track.title, "title", "start"));
    for (const tick of track.ticks) {
      const level = y(tick, track, height);
      parts.push(draw("path", { class: tick ? "grid" : "zero", d: `M${LEFT} ${fixed(level)}H${RIGHT}` }));
      parts.push(text(LEFT - 6, level + 4, signed(tick), "tick y", "end"));
    }
  };

  const lanes = [];
  for (const [id, tss, strand, label, name, body] of region.genes) {
    const at = x(tss + 0.5), sign = strand === "-" ? -1 : 1, length = Array.from(name).length * CHARACTER;
    const ahead = at + (17 + length) * sign;
    const side = ahead >= 0 && ahead <= width ? sign : -sign;
    const textX = at + (side === sign ? 17 : 5) * side;
    const places = [at - 3, at + 3, at + 14 * sign, textX + length * side, ...(body ? body.map(x) : [])];
    const from = Math.min(...places), to = Math.max(...places);
    let lane = lanes.findIndex((taken) => taken.every(([a, b]) => to < a || from > b));
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane].push([from, to]);
    const base = bottom + LANE * lane + 18;
    const head = strand === "." ? "m-6 0h12" : `h${12 * sign}m${-4 * sign} -3l${4 * sign} 3l${-4 * sign} 3`;
    parts.push(draw("g", { class: id === region.gene ? "gene own" : "gene" }, [
      titled(`${label}: TSS at ${grouped(tss + 1)}, ${strand === "." ? "strand unknown" : `${strand} strand`}`),
      ...(body ? [draw("path", { class: "body", d: `M${fixed(x(body[0]))} ${base}H${fixed(x(body[1]))}` })] : []),
      draw("path", { d: `M${fixed(at)} ${base}v-9${head}` }),
      text(textX, base - 4, name, "name", side > 0 ? "start" : "end"),
    ]));
  }
  bottom += LANE * Math.max(1, lanes.length) + GAP;

  frame({ ...p, title: "Marginal eQTL, −log10 p" }, P_HEIGHT);
  const tested = draw("g", { class: "tested" });
  let top = -1;
  p.values.forEach((value, i) => {
    if (value === null) return;
    if (top < 0 || value > p.values[top]) top = i;
    const title = titled(`${names[i]}, position ${grouped(positions[i] + 1)}: −log10 p ${signed(value)}`);
    tested.append(draw("circle", { cx: fixed(x(positions[i] + 0.5)), cy: fixed(y(value, p, P_HEIGHT)), r: 2.4 }, title));
  });
  parts.push(tested);
  if (top >= 0) {
    const at = x(positions[top] + 0.5), left = at > width / 2;
    parts.push(text(at + (left ? -7 : 7), y(p.values[top], p, P_HEIGHT) + 4, names[top], "note", left ? "end" : "start"));
  }
  bottom += P_HEIGHT + GAP;

  region.effects.forEach((track, i) => {
    frame(track, EFFECT_HEIGHT);
    const zero = fixed(y(0, track, EFFECT_HEIGHT));
    const group = draw("g", { class: `effects ${["first", "second", "third"][i % 3]}` });
    track.at.forEach((variant, k) => {
      const at = fixed(x(positions[variant] + 0.5)), level = fixed(y(track.values[k], track, EFFECT_HEIGHT));
      group.append(draw("g", {}, [
        titled(`${names[variant]}, position ${grouped(positions[variant] + 1)}: ${signed(track.values[k])}`),
        draw("path", { d: `M${at} ${zero}V${level}` }),
        ...(track.at.length <= MOST_HEADS ? [draw("path", { class: "head", d: `M${at} ${level}${HEADS[i % 3]}` })] : []),
      ]));
    });
    parts.push(group);
    bottom += EFFECT_HEIGHT + GAP;
  });

  for (const track of region.weights) {
    frame(track, TILE_HEIGHT);
    const zero = y(0, track, TILE_HEIGHT), group = draw("g", { class: "tiles" });
    track.at.forEach((tile, k) => {
      const [from, to] = region.tiles[tile];
      const left = x(Math.max(from, start)), right = x(Math.min(to, end)), level = y(track.values[k], track, TILE_HEIGHT);
      group.append(draw("rect", {
        x: fixed(left + 0.3), y: fixed(Math.min(level, zero)),
        width: fixed(Math.max(right - left - 0.6, 0.6)), height: fixed(Math.abs(level - zero)),
      }, titled(`${grouped(from + 1)} to ${grouped(to)}: ${signed(track.values[k])}`)));
    });
    parts.push(group);
    bottom += TILE_HEIGHT + GAP;
  }

  parts.push(draw("path", { class: "base", d: `M${LEFT} ${bottom}H${RIGHT}` }));
  const { ticks } = region;
  const spacing = ticks.length > 1 ? x(ticks[1][0]) - x(ticks[0][0]) : width;
  const every = Math.max(1, Math.ceil(52 / spacing));
  ticks.forEach(([place, label], i) => {
    if (i % every) return;
    const at = x(place + 0.5);
    parts.push(draw("path", { class: "base", d: `M${fixed(at)} ${bottom}v5` }), text(at, bottom + 18, label, "tick x"));
  });
  parts.push(text((LEFT + width) / 2, bottom + 36, region.axis, "label"));

  const own = region.genes.find(([id]) => id === region.gene);
  if (own) parts.unshift(draw("path", { class: "tss", d: `M${fixed(x(own[1] + 0.5))} 4V${bottom}` }));

  let said = `Region of ${region.label}, ${region.contig}:${grouped(start + 1)}-${grouped(end)}: ${grouped(region.n_variants)} variants`;
  if (top >= 0) said += `; smallest p at ${names[top]}, −log10 p ${signed(p.values[top])}`;
  for (const track of region.effects) {
    if (!track.at.length) continue;
    const best = track.values.reduce((a, value, i) => (Math.abs(value) > Math.abs(track.values[a]) ? i : a), 0);
    said += `; largest effect of ${track.model} at ${names[track.at[best]]}`;
  }
  const frameOf = { class: "region", viewBox: `0 0 ${width} ${bottom + 42}`, role: "img", "aria-label": `${said}.` };
  return draw("svg", frameOf, parts);
};

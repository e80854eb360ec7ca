// Parity plots that answer to the pointer, and structures that can be turned. Each figure carries its data as JSON.
"use strict";

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLORS = ["#3b82c4", "#e0843a", "#3f9c6b", "#a45bb5", "#cc4b4b", "#8a7a3a", "#3aa6a6", "#7a8594"];

function sharpen(canvas, aspect) {
  const width = Math.max(canvas.clientWidth, 200), height = Math.round(width * aspect), dense = window.devicePixelRatio || 1;
  canvas.width = width * dense; canvas.height = height * dense; canvas.style.height = height + "px";
  const pen = canvas.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(m => m * power >= rough), found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9 * step; t += step) found.push(Math.abs(t) < 1e-9 * step ? 0 : t);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return found.map(t => [t, Math.abs(t) >= 1e5 ? t.toExponential(1) : t.toFixed(digits)]);
}

function parity(figure, canvas, data) {
  const tip = figure.querySelector(".tip"), hidden = new Set();
  const all = data.x.concat(data.y), whole = [Math.min(...all), Math.max(...all)];
  const room = 0.04 * (whole[1] - whole[0]) || 1;
  let view = [whole[0] - room, whole[1] + room, whole[0] - room, whole[1] + room], screen, from = null;
  const edge = { left: 58, right: 8, top: 8, bottom: 42 };
  const px = v => edge.left + (v - view[0]) / (view[1] - view[0]) * (screen.width - edge.left - edge.right);
  const py = v => screen.height - edge.bottom - (v - view[2]) / (view[3] - view[2]) * (screen.height - edge.top - edge.bottom);
  const vx = p => view[0] + (p - edge.left) / (screen.width - edge.left - edge.right) * (view[1] - view[0]);
  const vy = p => view[2] + (screen.height - edge.bottom - p) / (screen.height - edge.top - edge.bottom) * (view[3] - view[2]);
  const inside = k => data.x[k] >= view[0] && data.x[k] <= view[1] && data.y[k] >= view[2] && data.y[k] <= view[3];

  function draw(box) {
    screen = sharpen(canvas, 0.92);
    const { pen, width, height } = screen;
    pen.clearRect(0, 0, width, height);
    pen.strokeStyle = pen.fillStyle = css("--soft"); pen.lineWidth = 1; pen.textAlign = "center";
    for (const [t, words] of ticks(view[0], view[1], 5)) pen.fillText(words, px(t), height - edge.bottom + 16);
    pen.fillText("reference, " + data.unit, (edge.left + width) / 2, height - 6);
    pen.textAlign = "right";
    for (const [t, words] of ticks(view[2], view[3], 5)) pen.fillText(words, edge.left - 6, py(t) + 4);
    pen.save(); pen.translate(12, (height - edge.bottom) / 2); pen.rotate(-Math.PI / 2); pen.textAlign = "center";
    pen.fillText("predicted, " + data.unit, 0, 0); pen.restore();
    pen.strokeRect(edge.left, edge.top, width - edge.left - edge.right, height - edge.top - edge.bottom);
    pen.save(); pen.beginPath();
    pen.rect(edge.left, edge.top, width - edge.left - edge.right, height - edge.top - edge.bottom); pen.clip();
    pen.setLineDash([5, 4]); pen.beginPath();
    const low = Math.min(view[0], view[2]), high = Math.max(view[1], view[3]);
    pen.moveTo(px(low), py(low)); pen.lineTo(px(high), py(high)); pen.stroke(); pen.setLineDash([]);
    const size = data.x.length > 2000 ? 1.6 : 3;
    pen.globalAlpha = data.x.length > 2000 ? 0.55 : 0.8;
    for (let k = 0; k < data.x.length; k++) {
      if (hidden.has(data.g[k]) || !inside(k)) continue;
      pen.fillStyle = COLORS[data.g[k] % COLORS.length];
      pen.beginPath(); pen.arc(px(data.x[k]), py(data.y[k]), size, 0, 7); pen.fill();
    }
    pen.restore(); pen.globalAlpha = 1;
    if (box) { pen.strokeStyle = css("--mark"); pen.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]); }
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function hint(p) {
    let best = -1, least = 14 ** 2;
    for (let k = 0; k < data.x.length; k++) {
      if (hidden.has(data.g[k]) || !inside(k)) continue;
      const d = (px(data.x[k]) - p[0]) ** 2 + (py(data.y[k]) - p[1]) ** 2;
      if (d < least) { least = d; best = k; }
    }
    tip.hidden = best < 0;
    if (best < 0) return;
    const error = data.y[best] - data.x[best];
    tip.textContent = `${data.places[data.s[best]]}${data.a ? ", " + data.a[best] : ""}: reference ${data.x[best].toPrecision(5)}, ` +
      `predicted ${data.y[best].toPrecision(5)}, error ${error.toPrecision(3)} ${data.unit}`;
    tip.style.left = Math.min(p[0] + 12, Math.max(screen.width - 230, 0)) + "px";
    tip.style.top = p[1] + 14 + "px";
  }

  canvas.addEventListener("pointerdown", event => { from = point(event); hint(from); });
  canvas.addEventListener("pointermove", event => {
    const p = point(event);
    if (from && event.pointerType === "mouse") { tip.hidden = true; draw([...from, ...p]); } else hint(p);
  });
  canvas.addEventListener("pointerup", event => {
    const p = point(event), start = from; from = null;
    if (!start || event.pointerType !== "mouse") return;
    if (Math.abs(p[0] - start[0]) > 8 && Math.abs(p[1] - start[1]) > 8) {
      const [a, b] = [vx(start[0]), vx(p[0])].sort((u, v) => u - v), [c, d] = [vy(start[1]), vy(p[1])].sort((u, v) => u - v);
      view = [a, b, c, d];
    }
    draw();
  });
  canvas.addEventListener("pointerleave", () => { from = null; tip.hidden = true; draw(); });
  canvas.addEventListener("dblclick", () => {
    view = [whole[0] - room, whole[1] + room, whole[0] - room, whole[1] + room]; draw();
  });
  const legend = figure.querySelector(".legend");
  if (data.groups.length > 1) data.groups.forEach((name, k) => {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = name || "default"; button.setAttribute("aria-pressed", "true");
    button.style.borderColor = COLORS[k % COLORS.length];
    button.addEventListener("click", () => {
      if (!hidden.delete(k)) hidden.add(k);
      button.setAttribute("aria-pressed", String(!hidden.has(k))); draw();
    });
    legend.append(button);
  });
  return () => draw();
}

function structures(figure, canvas, data) {
  let shown = 0, turn = [[1, 0, 0], [0, 0.94, -0.34], [0, 0.34, 0.94]], last = null, zoom = 1;
  const words = figure.querySelector(".tip"), legend = figure.querySelector(".legend");
  const times = (a, b) => a.map(row => b[0].map((_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0)));
  const seen = v => turn.map(row => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);

  function draw() {
    const { pen, width, height } = sharpen(canvas, 0.75), s = data[shown];
    const reach = Math.max(...s.x.map(v => Math.hypot(...v)), ...(s.box || []).flat().map(v => Math.hypot(...v)), 1) + 1.2;
    const scale = zoom * Math.min(width, height) / 2 / reach;
    const at = v => { const [x, y, z] = seen(v); return [width / 2 + scale * x, height / 2 - scale * y, z]; };
    pen.clearRect(0, 0, width, height);
    pen.strokeStyle = css("--line"); pen.lineWidth = 1;
    for (const [a, b] of s.box || []) {
      const p = at(a), q = at(b);
      pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
    }
    const things = s.x.map((v, k) => ({ depth: seen(v)[2], k }));
    for (const [i, j] of s.bonds) things.push({ depth: (seen(s.x[i])[2] + seen(s.x[j])[2]) / 2 - 0.05, i, j });
    things.sort((a, b) => a.depth - b.depth);
    for (const t of things) {
      if (t.k === undefined) {
        const p = at(s.x[t.i]), q = at(s.x[t.j]);
        pen.strokeStyle = css("--soft"); pen.lineWidth = 0.16 * scale;
        pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
        continue;
      }
      const [x, y] = at(s.x[t.k]), r = s.r[t.k] * scale, shade = pen.createRadialGradient(x - r / 3, y - r / 3, r / 8, x, y, r);
      shade.addColorStop(0, "#ffffff"); shade.addColorStop(0.35, s.c[t.k]); shade.addColorStop(1, s.c[t.k]);
      pen.fillStyle = shade; pen.strokeStyle = css("--ink"); pen.lineWidth = 0.6;
      pen.beginPath(); pen.arc(x, y, r, 0, 7); pen.fill(); pen.stroke();
    }
    pen.strokeStyle = pen.fillStyle = "#d33"; pen.lineWidth = 2;
    s.x.forEach((v, k) => {
      const e = s.error[k];
      if (!e || Math.hypot(...e) * scale < 4) return;
      const p = at(v), q = at([v[0] + e[0], v[1] + e[1], v[2] + e[2]]), angle = Math.atan2(q[1] - p[1], q[0] - p[0]);
      pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
      pen.beginPath(); pen.moveTo(q[0], q[1]);
      for (const side of [2.6, -2.6]) pen.lineTo(q[0] + 7 * Math.cos(angle + side), q[1] + 7 * Math.sin(angle + side));
      pen.fill();
    });
    words.textContent = s.title + ": " + s.words;
  }

  function rotate(dx, dy) {
    const a = dx / 120, b = dy / 120;
    turn = times([[Math.cos(a), 0, Math.sin(a)], [0, 1, 0], [-Math.sin(a), 0, Math.cos(a)]], turn);
    turn = times([[1, 0, 0], [0, Math.cos(b), -Math.sin(b)], [0, Math.sin(b), Math.cos(b)]], turn);
    draw();
  }

  canvas.addEventListener("pointerdown", event => { last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", event => {
    if (!last) return;
    rotate(event.clientX - last[0], event.clientY - last[1]);
    last = [event.clientX, event.clientY];
  });
  canvas.addEventListener("pointerup", () => { last = null; });
  canvas.addEventListener("pointercancel", () => { last = null; });
  canvas.addEventListener("dblclick", () => { zoom = zoom > 1 ? 1 : 1.8; draw(); });
  canvas.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-12, 0], ArrowRight: [12, 0], ArrowUp: [0, -12], ArrowDown: [0, 12] }[event.key];
    if (step) { event.preventDefault(); rotate(...step); }
  });
  data.forEach((s, k) => {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = `${k + 1}`; button.title = s.title;
    button.setAttribute("aria-pressed", String(k === 0));
    button.addEventListener("click", () => {
      shown = k;
      for (const other of legend.children) other.setAttribute("aria-pressed", String(other === button));
      draw();
    });
    legend.append(button);
  });
  return draw;
}

const drawings = [];
for (const figure of document.querySelectorAll("figure[data-view]")) {
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const make = { parity, structures }[figure.dataset.view];
  drawings.push(make(figure, figure.querySelector("canvas"), data));
}
const redraw = () => drawings.forEach(draw => draw());
redraw();
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.querySelectorAll("details").forEach(fold => fold.addEventListener("toggle", redraw));

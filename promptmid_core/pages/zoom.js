"use strict";
/* Every svg.zoom can be moved and zoomed: by its buttons, by dragging, by two fingers, by the wheel with Ctrl or once it was
   clicked, and by + - 0. It has a bar of metres where data-metres tells how many a unit of its viewBox has. It fires "pick" with
   the place {x, y} of a click and the units of a screen pixel, and "look" for the pointer. */
function zoomable(svg) {
  const MOST = 64, STILL = 5;
  const box = svg.viewBox.baseVal, home = [box.x, box.y, box.width, box.height];
  let [x, y, w, h] = home, awake = false;
  const pointers = new Map();
  const frame = document.createElement("div"), bar = document.createElement("span");
  frame.className = "zoomframe";
  svg.replaceWith(frame);
  frame.append(svg);
  const unit = () => w / Math.max(svg.getBoundingClientRect().width, 1);
  const place = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return { x: at.x, y: at.y, unit: unit() };
  };
  function show() {
    x = Math.min(Math.max(x, home[0]), home[0] + home[2] - w);
    y = Math.min(Math.max(y, home[1]), home[1] + home[3] - h);
    svg.setAttribute("viewBox", [x, y, w, h].join(" "));
    frame.classList.toggle("moved", w < home[2]);
    scale();
  }
  function scale() {
    if (!svg.dataset.metres) return;
    const metres = svg.dataset.metres * unit(), most = 120 * metres, power = 10 ** Math.floor(Math.log10(most));
    const round = [5, 2, 1].find((step) => step * power <= most) * power;
    bar.style.width = `${round / metres}px`;
    bar.textContent = round >= 1000 ? `${round / 1000} km` : `${round} m`;
  }
  function zoom(factor, at) {
    const wide = Math.min(Math.max(w / factor, home[2] / MOST), home[2]), share = wide / w;
    x = at.x - (at.x - x) * share;
    y = at.y - (at.y - y) * share;
    w = wide;
    h *= share;
    show();
  }
  const middle = () => ({ x: x + w / 2, y: y + h / 2 });
  const keys = { "+": () => zoom(1.6, middle()), "=": () => zoom(1.6, middle()), "-": () => zoom(1 / 1.6, middle()),
                 "0": () => { [x, y, w, h] = home; show(); } };
  const buttons = document.createElement("div");
  buttons.className = "zoombuttons";
  for (const [text, key, name] of [["+", "+", "Zoom in"], ["\u2212", "-", "Zoom out"], ["\u2922", "0", "Show all"]]) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text, title: name, onclick: keys[key] });
    button.setAttribute("aria-label", name);
    buttons.append(button);
  }
  bar.className = "zoombar";
  frame.append(buttons, ...(svg.dataset.metres ? [bar] : []));
  svg.tabIndex = 0;
  svg.addEventListener("keydown", (event) => {
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) { keys[event.key](); event.preventDefault(); }
  });
  svg.addEventListener("wheel", (event) => {
    if (!awake && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), place(event));
  }, { passive: false });
  document.addEventListener("pointerdown", (event) => { awake = frame.contains(event.target); });
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { event, way: 0 });
  });
  svg.addEventListener("pointermove", (event) => {
    const held = pointers.get(event.pointerId);
    if (!held) { svg.dispatchEvent(new CustomEvent("look", { detail: place(event) })); return; }
    const before = held.event;
    held.event = event;
    held.way += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (held.way < STILL) return;
    const other = [...pointers.values()].find((one) => one !== held);
    x -= (event.clientX - before.clientX) * unit() / (other ? 2 : 1);
    y -= (event.clientY - before.clientY) * unit() / (other ? 2 : 1);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.event.clientX, one.clientY - other.event.clientY);
      const a = place(event), b = place(other.event);
      zoom(apart(event) / Math.max(apart(before), 1), { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    }
    show();
  });
  const leave = (event) => {
    const held = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (event.type === "pointerup" && held && held.way < STILL)
      svg.dispatchEvent(new CustomEvent("pick", { detail: place(event) }));
  };
  svg.addEventListener("pointerup", leave);
  svg.addEventListener("pointercancel", leave);
  window.addEventListener("resize", scale);
  window.addEventListener("beforeprint", keys["0"]);
  show();
}
document.querySelectorAll("svg.zoom").forEach(zoomable);

/* The flight of the page: the pointer on the map names a frame, a click opens it, and so do the buttons, the slider and the keys. */
(function () {
  const source = document.getElementById("frames");
  if (!source) return;
  const data = JSON.parse(source.textContent), c = data.columns, count = c.frame.length;
  const get = (id) => document.getElementById(id), map = document.querySelector("svg.flight");
  const SVG = "http://www.w3.org/2000/svg", NEAR = 24;
  const told = (value, unit, digits = 2) => (value === null ? "\u2013" : `${value.toFixed(digits)}${unit}`);
  const both = (px) => (px === null ? "\u2013" : `${px.toFixed(2)} px (${(px * data.gsd).toFixed(1)} m)`);
  const isFix = (i) => c.said[i] === null;
  const named = (i) => `frame ${c.frame[i]}, ${told(c.t[i], " s")}`;
  function nearest(at) {
    let best = -1, least = (NEAR * at.unit) ** 2;
    for (let i = 0; i < count; i++) {
      if (c.x[i] === null || c.y[i] === null) continue;
      const away = (c.x[i] - at.x) ** 2 + (c.y[i] - at.y) ** 2;
      if (away < least) { least = away; best = i; }
    }
    return best;
  }
  const withShots = c.frame.map((_, i) => i).filter((i) => data.shots[c.frame[i]]);
  let now = -1;

  function draw(holder, ties, columns, size) {
    holder.querySelector("svg")?.remove();
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    for (const tie of ties) {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", tie[columns[0]] + 0.5);
      dot.setAttribute("cy", tie[columns[1]] + 0.5);
      dot.setAttribute("r", size[0] / 70);
      dot.setAttribute("fill", `hsl(${260 - 205 * tie[4]} 75% ${32 + 26 * tie[4]}%)`);
      svg.append(dot);
    }
    holder.append(svg);
  }
  function facts(i) {
    const rows = isFix(i)
      ? [["ground error", both(c.ground[i])], ["position error", both(c.error[i])], ["95 % radius", both(c.radius[i])],
         ["protection level", both(c.level[i])], ["error of the prior", both(c.prior[i])]]
      : [["reason", data.reasons[c.why[i]]], ["", data.sentences[c.said[i]]], ["error of the prior", both(c.prior[i])]];
    return [...rows, ["probability", told(c.probability[i], "", 3)], ["time", told(c.ms[i], " ms", 1)]];
  }
  function open(i, byHand) {
    if (i < 0 || i >= count) return;
    now = i;
    get("slider").value = i;
    get("framename").textContent = `${named(i)[0].toUpperCase()}${named(i).slice(1)}`;
    get("framewhy").textContent = isFix(i) ? "fix" : data.reasons[c.why[i]];
    get("framewhy").className = isFix(i) ? "badge good" : "badge bad";
    get("back").disabled = i === 0;
    get("on").disabled = i === count - 1;
    get("framefacts").replaceChildren(...facts(i).flatMap(([name, value]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }));
    const shot = data.shots[c.frame[i]], none = get("noshot");
    get("shot").hidden = !shot;
    none.hidden = !!shot;
    if (shot) {
      get("camera").src = shot.camera;
      get("sar").src = shot.sar;
      get("over").src = shot.camera;
      draw(get("camera").parentNode, shot.ties, [0, 1], [shot.width, shot.height]);
      draw(get("sar").parentNode, shot.ties, [2, 3], [shot.width, shot.height]);
      get("ties").textContent = `${shot.ties.length} tie points`;
      get("surfacebox").hidden = !shot.surface;
      if (shot.surface) {
        get("surface").src = shot.surface;
        const [west, south, east, north] = shot.span;
        get("span").textContent = `${Math.round(east - west)} m by ${Math.round(north - south)} m`;
      }
    } else {
      const near = withShots.reduce((best, other) => (best < 0 || Math.abs(other - i) < Math.abs(best - i) ? other : best), -1);
      none.replaceChildren("No picture of this frame is kept. ");
      if (near >= 0) {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", textContent: `Open ${named(near)}`, onclick: () => open(near, true) });
        none.append(button);
      }
    }
    mark();
    if (byHand) history.replaceState(null, "", `#frame=${c.frame[i]}`);
  }
  function mark() {
    const ring = map?.querySelector(".chosen");
    if (!ring || now < 0) return;
    const known = c.x[now] !== null && c.y[now] !== null;
    ring.setAttribute("d", known ? `M${c.x[now]} ${c.y[now]}h0` : "");
    map.querySelector(".chosenin").setAttribute("d", known ? `M${c.x[now]} ${c.y[now]}h0` : "");
  }
  if (map) {
    const tip = document.createElement("div");
    tip.className = "tip";
    map.parentNode.append(tip);
    map.addEventListener("look", ({ detail }) => {
      const i = nearest(detail);
      tip.hidden = i < 0;
      map.style.cursor = i < 0 ? "" : "pointer";
      if (i < 0) return;
      tip.textContent = isFix(i)
        ? `${named(i)}: ground error ${both(c.ground[i])}, position error ${both(c.error[i])}`
        : `${named(i)}: ${data.reasons[c.why[i]]}`;
      const box = map.viewBox.baseVal, left = (c.x[i] - box.x) / box.width, top = (c.y[i] - box.y) / box.height;
      tip.style.left = `${100 * Math.min(Math.max(left, 0), 1)}%`;
      tip.style.top = `${100 * top}%`;
      tip.style.transform = `translate(${left < 0.3 ? "0" : left > 0.7 ? "-100%" : "-50%"}, ${top < 0.25 ? "14px" : "calc(-100% - 12px)"})`;
    });
    map.addEventListener("pointerleave", () => { tip.hidden = true; });
    map.addEventListener("pick", ({ detail }) => open(nearest(detail), true));
    tip.hidden = true;
  }
  get("back").onclick = () => open(now - 1, true);
  get("on").onclick = () => open(now + 1, true);
  get("slider").max = count - 1;
  get("slider").oninput = (event) => open(Number(event.target.value), true);
  get("fade").oninput = (event) => { get("over").style.opacity = event.target.value / 100; };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, button, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft") open(now - 1, true);
    if (event.key === "ArrowRight") open(now + 1, true);
  });
  const asked = () => c.frame.indexOf(Number((location.hash.match(/^#frame=(\d+)$/) || [])[1]));
  window.addEventListener("hashchange", () => open(asked(), false));
  const first = withShots.find(isFix) ?? withShots[0] ?? 0;
  open(asked() >= 0 ? asked() : first, false);
})();

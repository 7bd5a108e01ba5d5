/* What figures say: curves by epoch, other marks by name; under the pointer, and by arrow keys in a
focused figure. */

const NEAR = 8; // pixels

/* The points of a figure next to a place: those that lie on one another, if one is near. */
function pointsAt(marks, x, y) {
  const measured = marks
    .filter((mark) => mark.localName === "use" && visible(mark))
    .map((mark) => {
      const { left, right, top, bottom } = mark.getBoundingClientRect();
      return { mark, distance: Math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y) };
    });
  const least = Math.min(NEAR, ...measured.map(({ distance }) => distance));
  const near = measured.filter(({ distance }) => distance < NEAR && distance < least + 0.5);
  return near.map(({ mark }) => mark);
}

/* A curve: its scheduler, its words by epoch, and how far from an epoch's number these stand. Written
as SHIFT|EPOCH:WORDS|... */
function readCurve(mark) {
  const [shift, ...said] = mark.getAttribute("data--readings").split("|");
  const pairs = said.map((part) => part.split(":"));
  const words = new Map(pairs.map(([epoch, text]) => [Number(epoch), text]));
  return { mark, scheduler: mark.dataset.scheduler, words, shift: Number(shift) };
}

/* What all curves that are shown say at an epoch: a row for each scheduler. */
function describeEpoch(curves, epoch) {
  const rows = new Map();
  for (const { scheduler, words } of curves) {
    if (!words.has(epoch)) continue;
    rows.set(scheduler, (rows.get(scheduler) ?? new Set()).add(words.get(epoch)));
  }
  return [...rows].map(([scheduler, texts]) => {
    const [one, two, ...more] = texts;
    const others = more.length ? ` and ${more.length} more` : "";
    return [scheduler, [one, two].filter(Boolean).join(", ") + others];
  });
}

function makeTip() {
  const tip = make("div", { id: "tip", role: "status" });
  document.body.append(tip);
  let at = null;

  function place() {
    if (!at) return;
    const { left, right, top, bottom } = at.getBoundingClientRect();
    const below = top < tip.offsetHeight + 16;
    const wanted = (left + right - tip.offsetWidth) / 2;
    const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(wanted, most))}px`;
    tip.style.top = `${below ? bottom + 8 : top - tip.offsetHeight - 8}px`;
  }

  document.addEventListener("scroll", place, { passive: true });
  return (element, ...content) => {
    at = element;
    tip.replaceChildren(...content);
    place();
  };
}

/* The picture of a scheduler's lines that legends have. */
function findKey(scheduler) {
  const drawn = [...document.querySelectorAll(".legend > li")];
  return drawn.find(({ dataset }) => dataset.scheduler === scheduler)?.querySelector("svg");
}

/* The curves of a figure: an epoch at a time, with a line where it is. */
function readOutCurves(plot, tell) {
  const curves = [...plot.querySelectorAll("[data--readings]")].map(readCurve);
  const frame = plot.querySelector("clipPath rect");
  const guide = document.createElementNS(plot.namespaceURI, "line");
  guide.setAttribute("class", "guide");
  let current = null;

  const shown = () => curves.filter(({ mark }) => visible(mark));
  const listEpochs = () =>
    [...new Set(shown().flatMap(({ words }) => [...words.keys()]))].sort((a, b) => a - b);
  const [zero, unit] = plot.getAttribute("data--x").split(" ").map(Number);
  const placeOf = (epoch) => zero + unit * (epoch + curves[0].shift);

  function show(epoch) {
    if (epoch === current) return;
    current = epoch ?? null;
    guide.remove();
    if (current === null) return tell(null);
    const [top, height] = ["y", "height"].map((name) => frame[name].baseVal.value);
    const ends = { x1: placeOf(epoch), x2: placeOf(epoch), y1: top, y2: top + height };
    for (const [name, value] of Object.entries(ends)) guide.setAttribute(name, value);
    plot.append(guide);
    const rows = describeEpoch(shown(), epoch).map(([scheduler, text]) =>
      make("div", {}, findKey(scheduler)?.cloneNode(true) ?? "", ` ${scheduler} `, make("b", {}, text)),
    );
    tell(guide, make("strong", {}, `epoch ${epoch}`), ...rows);
  }

  plot.setAttribute("aria-description", "Left and right arrow keys tell its values by epoch.");
  plot.addEventListener("pointermove", ({ clientX }) => {
    const x = new DOMPoint(clientX, 0).matrixTransform(plot.getScreenCTM().inverse()).x;
    const from = (epoch) => Math.abs(placeOf(epoch) - x);
    const epochs = listEpochs();
    if (epochs.length) show(epochs.reduce((near, epoch) => (from(epoch) < from(near) ? epoch : near)));
  });
  return {
    show,
    step: (by) => {
      const epochs = listEpochs();
      const at = epochs.indexOf(current);
      show(epochs.at(at < 0 ? Math.min(by, 0) : Math.max(0, Math.min(at + by, epochs.length - 1))));
    },
  };
}

/* Marks that have a name, one or several at a time. */
function readOutMarks(plot, tell, names) {
  const marks = [...plot.querySelectorAll("*")].filter((element) => names.has(element));
  if (!marks.length) return null;
  let current = [];

  function show(...named) {
    for (const mark of current) mark.classList.remove("named");
    for (const mark of named) mark.classList.add("named");
    current = named;
    tell(named[0], named.map((mark) => names.get(mark)).join("\n"));
  }

  plot.setAttribute("aria-description", "Left and right arrow keys name its marks.");
  plot.addEventListener("pointermove", ({ target, clientX, clientY }) => {
    const points = pointsAt(marks, clientX, clientY);
    const under = marks.filter((mark) => mark.contains(target)).slice(-1);
    show(...(points.length ? points : under));
  });
  return {
    show,
    step: (by) => {
      const shown = marks.filter(visible);
      const at = shown.indexOf(current[0]);
      if (shown.length) show(shown.at(at < 0 && by < 0 ? -1 : (at + by) % shown.length));
    },
  };
}

function readOutFigures(main) {
  const names = new Map();
  const tell = makeTip();
  let hide = () => {};
  for (const title of main.querySelectorAll("svg.plot title")) {
    names.set(title.parentNode, title.textContent);
    title.remove(); // or the browser would show it too
  }
  for (const plot of main.querySelectorAll("svg.plot")) {
    const curves = plot.querySelector("[data--readings]");
    const reader = curves ? readOutCurves(plot, tell) : readOutMarks(plot, tell, names);
    if (!reader) continue;
    const away = () => reader.show();
    plot.setAttribute("tabindex", "0");
    plot.addEventListener("pointerenter", () => (hide = away));
    plot.addEventListener("focus", () => (hide = away));
    plot.addEventListener("pointerleave", away);
    plot.addEventListener("blur", away);
    plot.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      reader.step(by);
    });
  }
  document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
}

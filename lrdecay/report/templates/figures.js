/* Figures: what the filter leaves of one closes up, and what it leaves empty is hidden. */

/* What an element is about, as pairs of axis and value. */
function attributesOf(element) {
  const named = [...element.attributes].filter(({ name }) => /^data-(?!sort$|-)/.test(name));
  return named.map(({ name, value }) => [name.slice(5), value]);
}

/* A figure as it was written: its size, its marks, and its rows and columns in order, each with its
label and the marks that stand there. */
function measureFigure(plot) {
  const about = [...plot.querySelectorAll("*")].filter((mark) => attributesOf(mark).length);
  const marks = about.filter((mark) => !mark.matches(".row-label, .column-label"));
  const [rows, columns] = [".row-label", ".column-label"].map((kind) =>
    [...plot.querySelectorAll(kind)].map((label) => {
      const own = attributesOf(label).map(([axis, value]) => [`data-${axis}`, value]);
      const stands = (mark) => own.every(([name, value]) => mark.getAttribute(name) === value);
      return { label, marks: marks.filter(stands) };
    }),
  );
  const { width, height } = plot.viewBox.baseVal;
  return { plot, width, height, marks, rows, columns };
}

/* A line runs through those of its points that are shown. */
function joinPoints(mark) {
  const line = mark.querySelector(":scope > path");
  const points = [...mark.querySelectorAll("use")];
  if (!line || !points.some((point) => attributesOf(point).length)) return;
  const places = points.filter(visible).map(({ x, y }) => `${x.baseVal.value} ${y.baseVal.value}`);
  line.setAttribute("d", places.length ? `M ${places.join(" L ")}` : "");
}

/* How much room is empty before each mark that stays, and in all. A place without a mark that stays
is empty, such as the heading of rows that went. */
function findGaps(places, coordinate) {
  const at = ({ label }) => Number(label.querySelector("text").getAttribute(coordinate));
  const step = places.length > 1 ? (at(places.at(-1)) - at(places[0])) / (places.length - 1) : 0;
  const before = new Map();
  let gap = 0;
  for (const { label, marks } of places) {
    if (!marks.some(visible)) label.setAttribute("hidden", "");
    if (!visible(label)) gap += step;
    else for (const mark of [label, ...marks]) before.set(mark, gap); // a row after its heading
  }
  return { before, gap };
}

/* Rows move down to the axis below them, columns to the one on their left; the picture ends where
they do, and keeps its scale. */
function closeUp({ plot, width, height, rows, columns }) {
  const [x, y] = [findGaps(columns, "x"), findGaps(rows, "y")];
  for (const mark of [...x.before.keys(), ...y.before.keys()]) {
    const down = y.before.has(mark) ? y.gap - y.before.get(mark) : 0;
    mark.setAttribute("transform", `translate(${-(x.before.get(mark) ?? 0)} ${down})`);
  }
  plot.querySelector(".column-title")?.setAttribute("transform", `translate(${-x.gap / 2} 0)`);
  // a long name that is turned may now reach over the left edge
  const names = x.gap ? columns.map(({ label }) => label).filter(visible) : [];
  const left = Math.min(0, ...names.map((name) => name.getBBox().x - x.before.get(name)));
  const wide = width - x.gap - left;
  plot.setAttribute("viewBox", `${left} ${y.gap} ${wide} ${height - y.gap}`);
  plot.style.maxWidth = `${(100 * wide) / width}%`;
}

/* What holds figures and is hidden with the last of them. */
const HOLDERS = ".panels > div, .row, figure, .charts > div, section:has(> .charts)";

/* Fit all of a page's figures to its filter, once this has hidden what it excludes. */
function arrangeFigures(main, figures) {
  for (const { plot, marks } of figures) {
    plot.toggleAttribute("hidden", marks.length > 0 && !marks.some(visible));
  }
  for (const holder of main.querySelectorAll(HOLDERS)) {
    holder.hidden ||= ![...holder.querySelectorAll("svg.plot")].some(visible);
  }
  for (const panels of main.querySelectorAll(".panels")) {
    panels.className = `panels n${[...panels.children].filter(visible).length}`;
  }
  const shown = figures.filter(({ plot }) => visible(plot));
  for (const figure of shown) {
    figure.marks.forEach(joinPoints);
    closeUp(figure);
  }
}

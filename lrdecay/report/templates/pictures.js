/* Figures as files: all panels that are shown, with their titles and the legend, as one SVG or PNG. */

const GAP = 12; // units, as in the panels: 72 of them are an inch
const LINE = 16;
const FONT = "Arial, Helvetica, sans-serif";
const TEXT_SIZE = 10;
const KEY_WIDTH = 36;
const PNG_SCALE = 300 / 72; // pixels for a unit: 300 per inch

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function writeText(text, x, y, more = {}) {
  return makeSvg("text", { x, y, "font-size": TEXT_SIZE, ...more }, text);
}

/* A copy of a panel without what the filter hides, at its place. */
function copyPanel(plot, x, y) {
  const { width, height } = plot.viewBox.baseVal;
  const copy = plot.cloneNode(true);
  for (const gone of copy.querySelectorAll("[hidden], .guide")) gone.remove();
  for (const named of copy.querySelectorAll(".named")) named.classList.remove("named");
  for (const name of ["class", "role", "tabindex", "style", "aria-description"]) copy.removeAttribute(name);
  for (const [name, value] of Object.entries({ x, y, width, height })) copy.setAttribute(name, value);
  return copy;
}

function measureTexts(texts) {
  const context = make("canvas").getContext("2d");
  context.font = `${TEXT_SIZE}px ${FONT}`;
  return texts.map((text) => Math.ceil(context.measureText(text).width));
}

/* The legend in lines of at most this width, or as wide as its widest entry. */
function drawLegend(figure, width) {
  const entries = [...figure.querySelectorAll(".legend > li:not(:has([aria-pressed=false]))")].filter(visible);
  const names = entries.map(({ dataset }) => dataset.scheduler);
  const group = makeSvg("g");
  let [x, y, widest] = [0, 0, 0];
  measureTexts(names).forEach((size, i) => {
    const link = findKey(names[i]).querySelector("use").getAttribute("href");
    const key = document.querySelector(link).cloneNode(true);
    const indent = KEY_WIDTH + GAP / 2;
    if (x && x + indent + size > width) [x, y] = [0, y + LINE];
    for (const [attribute, value] of Object.entries({ x, y: y + 1, width: KEY_WIDTH, height: 12.24 }))
      key.setAttribute(attribute, value);
    group.append(key, writeText(names[i], x + indent, y + 11));
    x += indent + size;
    widest = Math.max(widest, x);
    x += GAP;
  });
  return { group, width: widest, height: entries.length ? y + LINE + GAP / 2 : 0 };
}

/* One picture of a figure, black on white: its rows one below the other, panels side by side. */
function composePicture(figure) {
  const rows = [...figure.querySelectorAll(".row")].filter(visible);
  const panels = rows.map((row) => [...row.querySelectorAll(".panels > div")].filter(visible));
  const sizeOf = (panel) => panel.querySelector("svg.plot").viewBox.baseVal;
  const wide = panels.map((row) => row.reduce((sum, each) => sum + sizeOf(each).width + GAP, -GAP));
  const legend = drawLegend(figure, Math.max(...wide));
  const width = Math.max(...wide, legend.width);
  const parts = [legend.group];
  let y = legend.height;
  rows.forEach((row, i) => {
    const title = row.querySelector("h4")?.textContent;
    if (title) parts.push(writeText(title, 0, (y += LINE) - 4, { "font-weight": "bold" }));
    const titled = panels[i].some((panel) => panel.querySelector(".panel-title"));
    if (titled) y += LINE;
    let x = 0;
    for (const panel of panels[i]) {
      const size = sizeOf(panel);
      const name = panel.querySelector(".panel-title")?.textContent;
      const middle = { "text-anchor": "middle" };
      if (name) parts.push(writeText(name, x + size.width / 2, y - 4, middle));
      parts.push(copyPanel(panel.querySelector("svg.plot"), x, y));
      x += size.width + GAP;
    }
    y += Math.max(...panels[i].map((panel) => sizeOf(panel).height)) + GAP;
  });
  const height = y - GAP;
  const style = makeSvg("style", {}, "text{fill:currentColor}*{stroke-linejoin:round}");
  const back = makeSvg("rect", { width, height, fill: "#fff" });
  const shape = { viewBox: `0 0 ${width} ${height}`, width, height, color: "#000" };
  return makeSvg("svg", { ...shape, "font-family": FONT }, style, back, ...parts);
}

const writeSvg = (svg) =>
  new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });

async function drawPng(svg) {
  const { width, height } = svg.viewBox.baseVal;
  const url = URL.createObjectURL(writeSvg(svg));
  try {
    const image = new Image(width * PNG_SCALE, height * PNG_SCALE);
    image.src = url;
    await image.decode();
    const canvas = make("canvas", { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, image.width, image.height);
    return await new Promise((done) => canvas.toBlob(done, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}

function offerPictures(main, say) {
  const page = document.title.split(":")[0];
  for (const figure of main.querySelectorAll("figure")) {
    const section = figure.closest("section");
    const all = [...section.querySelectorAll("figure")];
    const number = all.length > 1 ? `-${all.indexOf(figure) + 1}` : "";
    const name = `${page}-${section.id}${number}`.replace(/[^\w.-]+/g, "-");
    const save = (kind, draw) => async () => {
      try {
        download(await draw(composePicture(figure)), `${name}.${kind}`);
        say(`Downloaded ${name}.${kind}.`);
      } catch (error) {
        say(`No ${kind.toUpperCase()}: ${error.message}.`);
      }
    };
    figure.append(
      make(
        "div",
        { class: "tools pictures", role: "group", "aria-label": `Figure: ${name}` },
        button("SVG", { title: "Download this figure as SVG" }, save("svg", writeSvg)),
        button("PNG", { title: "Download this figure as PNG, 300 dots per inch" }, save("png", drawPng)),
      ),
    );
  }
}

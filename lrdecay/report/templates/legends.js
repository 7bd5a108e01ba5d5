/* Legends: an entry shows or hides its scheduler on the whole page. */

function setUpLegends(main, toggle) {
  return [...main.querySelectorAll(".legend > li")].map((entry) => {
    const { scheduler } = entry.dataset;
    const press = () => {
      const before = own.getBoundingClientRect().top;
      toggle(scheduler);
      scrollBy({ top: own.getBoundingClientRect().top - before, behavior: "instant" });
    };
    const own = button("", { title: `Show or hide ${scheduler} on this page` }, press);
    own.append(...entry.childNodes);
    entry.append(own);
    return entry;
  });
}

/* An entry stays while it is hidden by a press, and goes with the last of its marks otherwise. */
function markLegends(entries, only) {
  for (const entry of entries) {
    const { scheduler } = entry.dataset;
    const off = only !== undefined && !only.has(scheduler);
    const marks = entry.closest("figure").querySelectorAll("svg.plot [data-scheduler]");
    const drawn = [...marks].some((mark) => mark.dataset.scheduler === scheduler && visible(mark));
    entry.hidden = !off && !drawn;
    entry.firstElementChild.setAttribute("aria-pressed", String(!off));
  }
}

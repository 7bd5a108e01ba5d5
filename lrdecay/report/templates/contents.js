/* The contents: in the bar, where they stay in view, with the section that is being read marked. */

function setUpContents(bar) {
  const contents = document.getElementById("contents");
  const links = [...contents.querySelectorAll("a")];
  const targets = links.map((link) => document.getElementById(link.hash.slice(1)));
  bar.append(contents);

  function mark() {
    const top = bar.getBoundingClientRect().bottom + 24;
    const reached = targets.filter((each) => visible(each) && each.getBoundingClientRect().top < top);
    const current = links[targets.indexOf(reached.at(-1))] ?? links[0];
    if (current.getAttribute("aria-current")) return;
    for (const link of links) link.removeAttribute("aria-current");
    current.setAttribute("aria-current", "true");
    const list = contents.querySelector("ul"); // not scrollIntoView, which would scroll the page too
    list.scrollLeft = current.offsetLeft - list.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
  }

  document.addEventListener("scroll", mark, { passive: true });
  window.addEventListener("resize", mark);
  /* A section that the filter hides has no link. */
  return () => {
    links.forEach((link, i) => link.parentElement.toggleAttribute("hidden", !visible(targets[i])));
    mark();
  };
}

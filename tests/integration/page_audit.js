// What is wrong with a page, each as a text; the rules are those of WCAG 2.2 that can be computed.
() => {
  const faults = [];
  const shown = (each) => each.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const told = (each) => `<${each.tagName.toLowerCase()}${each.id ? ` id=${each.id}` : ""}${each.className && each.className.baseVal === undefined ? ` class=${each.className}` : ""}>`;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);

  if (!document.documentElement.lang) faults.push("the page says no language");
  if (!document.title.trim()) faults.push("the page has no title");
  for (const [what, selector] of [["h1", "h1"], ["main", "main, [role=main]"]])
    if (all(selector).length !== 1) faults.push(`there are ${all(selector).length} of ${what}, not one`);
  const banners = all("header, [role=banner]").filter(
    (each) => each.getAttribute("role") === "banner" || !each.closest("main, article, section, aside, nav"));
  if (banners.length > 1) faults.push(`there are ${banners.length} banners`);

  // Everything that is written stands in a landmark, or is the way to one.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const landmarks = "main, header, nav, footer, aside, section[aria-labelledby], section[aria-label], [role], .skip, script, style, noscript";
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (node.data.trim() && !node.parentElement.closest(landmarks))
      faults.push(`outside of all landmarks: ${node.data.trim().slice(0, 40)}`);

  let level = 0;
  for (const each of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(each.tagName[1]);
    if (own > level + 1) faults.push(`a heading leaps from ${level} to ${own}: ${each.textContent.trim()}`);
    level = own;
  }

  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index)))
    faults.push(`the id ${id} is there more than once`);
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
    for (const each of document.querySelectorAll(`[${name}]`))
      for (const id of each.getAttribute(name).split(/\s+/))
        if (!document.getElementById(id)) faults.push(`${told(each)} ${name}: there is no ${id}`);
  for (const each of document.querySelectorAll("img:not([alt])")) faults.push(`${told(each)} has no alt`);
  for (const each of document.querySelectorAll("[tabindex]"))
    if (Number(each.getAttribute("tabindex")) > 0) faults.push(`${told(each)} has a place of its own in the order`);
  for (const each of document.querySelectorAll("[role=region], nav, section"))
    if (!each.hasAttribute("aria-label") && !each.hasAttribute("aria-labelledby") && !each.closest("main.narrow"))
      faults.push(`${told(each)} has no label`);
  // What scrolls can be scrolled without a mouse.
  for (const each of all("body *")) {
    const style = getComputedStyle(each);
    const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
    if (scrolls && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1))
      if (each.tabIndex < 0 && !/^(TEXTAREA|SELECT)$/.test(each.tagName)) faults.push(`${told(each)} scrolls with the mouse alone`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) faults.push(`the page is ${wide} pixels too wide`);

  // Colours that differ enough: 4.5 to 1, of large text 3 to 1.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((each) => each / 255).map(
      (each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return parts(matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "white");
  };
  const seen = new Set();
  const compare = (each, style) => {
    const [one, other] = [luminance(parts(style.color)), luminance(behind(each))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const said = `${told(each)} ${style.color}: a contrast of ${ratio.toFixed(2)}`;
    if (ratio < (large ? 3 : 4.5) && !seen.has(said)) { seen.add(said); faults.push(said); }
  };
  for (const each of all("[placeholder]")) compare(each, getComputedStyle(each, "::placeholder"));
  for (const each of all("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || each.closest("svg, [disabled], .unseen, .skip, option")) continue;
    compare(each, getComputedStyle(each));
  }
  // What can be used is large enough to be hit: 24 pixels, or is in a line of text.
  for (const each of all("button, input, select, .button")) {
    const box = each.getBoundingClientRect();
    if (each.type !== "hidden" && each.type !== "checkbox" && box.height < 24) faults.push(`${told(each)} is only ${box.height} pixels high`);
  }
  return faults;
}

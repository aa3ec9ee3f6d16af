// What a reader would stumble over: evaluated in an open page, whose last value it is.
({
  // Elements that reach beyond the right edge and do not lie in a box that scrolls by itself.
  overflow() {
    const wide = document.documentElement.clientWidth;
    const inBox = element => { for (let e = element.parentElement; e; e = e.parentElement) {
      if (getComputedStyle(e).overflowX !== "visible" && e.tagName !== "HTML" && e.tagName !== "BODY") return true; } return false; };
    const beyond = [...document.body.querySelectorAll("*")].filter(element => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.right > wide + 0.5 && !inBox(element);
    });
    return {page: document.documentElement.scrollWidth, wide, beyond: beyond.slice(0, 5).map(e => e.outerHTML.slice(0, 160))};
  },
  // Every visible text whose contrast with what lies behind it is below `least` (WCAG 2.1), worst first.
  faint(least) {
    document.querySelectorAll("details").forEach(details => { details.open = true; });
    const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
    const known = new Map();
    // A canvas knows every notation of a colour; its pixels are what the screen shows.
    const paint = colour => {
      if (!known.has(colour)) {
        pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        known.set(colour, {rgb: [r, g, b], alpha: a / 255});
      }
      return known.get(colour);
    };
    const over = (front, alpha, back) => front.map((value, i) => alpha * value + (1 - alpha) * back[i]);
    const luminance = rgb => {
      const [r, g, b] = rgb.map(value => { const v = value / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
      const chain = [];
      for (let e = element; e; e = e.parentElement) chain.unshift(e);
      return chain.reduce((back, e) => { const {rgb, alpha} = paint(getComputedStyle(e).backgroundColor); return over(rgb, alpha, back); }, [255, 255, 255]);
    };
    const shown = element => { let all = 1; for (let e = element; e; e = e.parentElement) all *= +getComputedStyle(e).opacity; return all; };
    const found = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode, element = text.parentElement;
      if (!text.data.trim() || element.closest("script, style, title, desc") || !element.checkVisibility()) continue;
      texts += 1;
      const style = getComputedStyle(element), back = behind(element);
      const {rgb, alpha} = paint(element.closest("svg") ? style.fill : style.color);
      const [a, b] = [luminance(over(rgb, alpha * shown(element), back)), luminance(back)];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < least) found.push({contrast: +contrast.toFixed(2), text: text.data.trim().slice(0, 40), element: element.outerHTML.slice(0, 120)});
    }
    return {texts, found: found.sort((a, b) => a.contrast - b.contrast).slice(0, 10)};
  },
})

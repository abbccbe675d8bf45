// What of a page was not judged yet: (numbers of what was) → those that are new, and __unjudged for axe. Numbers stand in one text, which
// costs a tenth of a list on its way here. See axe.py.
// A line says of an element all that a rule looks at: what it is, how it is named, what it stands in and holds, whether it is seen. Of two with the
// same line axe says the same. Of another line it says the same about contrast: colour, size and weight of letters on one ground.
(known) => {
  const has = new Set(known.split(" ").map(Number)), styles = new Map(), grounds = new Map(), within = new Map();
  const style = (e) => styles.get(e) ?? styles.set(e, getComputedStyle(e)).get(e);
  const ids = new Map();
  for (const e of document.querySelectorAll("[id]")) ids.set(e.id, (ids.get(e.id) ?? 0) + 1);
  const names = (value) => value.split(/\s+/).map((id) => `${ids.get(id) ?? 0}${document.getElementById(id)?.textContent.trim() ? "named" : ""}`).join();
  const REFERS = /^(for|form|list|aria-(labelledby|describedby|controls|owns|activedescendant|errormessage|details|flowto)|popovertarget|headers)$/;
  const ANY = /^(id|href|src|srcset|name|value|action|formaction|style|title|alt|placeholder|aria-label|aria-valuetext|aria-valuenow|content|datetime|data-.*|hx-.*|_echarts_instance_|d|points|x|y|x1|x2|y1|y2|cx|cy|r|width|height|transform|viewBox|min|max|pattern|download|maxlength|cols|rows)$/;
  const said = ({ name, value }) => `${name}=${REFERS.test(name) ? names(value) : ANY.test(name) ? (name === "id" && ids.get(value) > 1 ? "twice" : value.trim() ? "some" : "") : value}`;
  const what = (e) => `${e.localName}[${[...e.attributes].map(said).sort().join()}]`;
  const stands = (e) => !e || e === document.documentElement ? "" : within.get(e) ?? within.set(e, `${stands(e.parentElement)}>${e.localName}${e.getAttribute("role") ?? ""}`).get(e);
  const scrolls = (e) => /auto|scroll/.test(style(e).overflow) && (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight);
  const holds = (e) => [...new Set([...e.children].map((c) => `${c.localName}${c.getAttribute("role") ?? ""}`))].sort().join();
  const kind = (e) => [what(e), stands(e.parentElement), holds(e), e.textContent.trim() ? "text" : "", e.labels?.length && [...e.labels].map((l) => l.textContent.trim() !== "").join(),
    e.querySelector("[alt]:not([alt='']),[aria-label],svg title") ? "said" : "", e.checkVisibility({ visibilityProperty: true }) ? "" : "hidden", scrolls(e) ? "scrolls" : "", e.disabled ? "off" : "",
    e.querySelector("a[href],button,input,select,textarea,[tabindex]") ? "holds a control" : "", e.localName === "a" && [style(e).color, style(e).textDecorationLine, style(e.parentElement).color].join()].join(";");
  const ground = (e) => {
    if (!e) return "";
    if (grounds.has(e)) return grounds.get(e);
    const s = style(e), placed = /absolute|fixed|sticky/.test(s.position) ? e.className : "";
    const own = s.backgroundColor === "rgba(0, 0, 0, 0)" ? "" : s.backgroundColor, through = !own || own.startsWith("rgba") || s.opacity !== "1";
    const all = [own, s.backgroundImage, s.opacity, placed].join() + (through ? ground(e.parentElement) : "");
    grounds.set(e, own || placed || s.backgroundImage !== "none" || s.opacity !== "1" ? all : ground(e.parentElement));
    return grounds.get(e);
  };
  const isWritten = (e) => /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName) || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const number = (line) => { // 53 bits of it (cyrb53, public domain)
    let a = 0xdeadbeef, b = 0x41c6ce57;
    for (let i = 0; i < line.length; i++) { const c = line.charCodeAt(i); a = Math.imul(a ^ c, 2654435761); b = Math.imul(b ^ c, 1597334677); }
    a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
    b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
    return 4294967296 * (2097151 & b) + (a >>> 0);
  };
  const found = [], fresh = (line) => { const n = number(line); return !has.has(n) && Boolean(has.add(n) && found.push(n)); };
  const unjudged = [], uncontrasted = [];
  const page = `page ${document.documentElement.lang} ${Boolean(document.title.trim())} ${["main", "h1", "nav", "header", "a[href='#main']", "[lang]", "iframe"].map((s) => Math.min(2, document.querySelectorAll(s).length))} ${document.querySelector("meta[name=viewport]")?.content}`;
  const isNewPage = fresh(page);
  for (const e of document.body.querySelectorAll("*")) {
    if (e.closest("svg") && e.localName !== "svg") continue;
    if (fresh(kind(e)) && !unjudged.some((u) => u.contains(e))) unjudged.push(e);
    if (!isWritten(e) || !e.checkVisibility()) continue;
    const s = style(e);
    if (fresh(`colour ${[s.color, s.fontSize, s.fontWeight, s.textShadow, ground(e)].join(";")}`)) uncontrasted.push(e);
  }
  window.__unjudged = { isNewPage, unjudged, uncontrasted };
  return found.join(" ");
}

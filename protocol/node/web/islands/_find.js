// A field that narrows the list of its form while one types: the server looks through all, and what is chosen stays chosen. Enter looks at once; it
// does not send the form. Without script the field has a button.
const PAUSE_MS = 200;
let timer;
for (const kind of ["input", "compositionend", "keydown"]) addEventListener(kind, (e) => {
  const { target, key } = e;
  if (!target.matches?.("[data-find]") || e.isComposing || (key && (key !== "Enter" || e.ctrlKey))) return;
  if (key) e.preventDefault();
  clearTimeout(timer);
  timer = setTimeout(() => target.dispatchEvent(new Event("seek")), key ? 0 : PAUSE_MS);
});

/** Copies a text, also where the clipboard is closed to pages; false when it could not. */
export async function copied(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed here: as pages did before */ }
  const field = document.createElement("textarea");
  field.value = text; field.className = "hide";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

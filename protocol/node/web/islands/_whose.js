// For whom this page was opened, and by which post, goes out with whatever it sends, so that nothing is written under the name of whoever signed in
// since, or for another office of the same person (whose.py).
const { person, post } = globalThis.document?.body?.dataset ?? {};
export const me = person ?? "";
export const headers = me ? { "Yidi-Person": me, ...(post && { "Yidi-Post": post }) } : {};

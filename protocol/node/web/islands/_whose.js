// For whom this page was opened goes out with whatever it sends, so that nothing is written under the name of whoever signed in since (whose.py).
export const me = globalThis.document?.body?.dataset.person ?? "";
export const headers = me ? { "Yidi-Person": me } : {};

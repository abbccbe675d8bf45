// The order of visits: by deadline, and what lies in one place together. No coordinates exist on the phone, so no way is computed, and the page says so.

const endOfDay = (now) => new Date(now).setHours(24, 0, 0, 0);

/** {today: [{place, visits}], later: [visits]}. Today: due by tonight, late, or begun; what is due later in a place of today goes with it (`nearby`). */
export function route(visits, now) {
  const due = (t) => t.due_ms || Infinity, first = (a, b) => due(a) - due(b) || a.rank - b.rank;
  const isToday = (t) => due(t) < endOfDay(now) || t.status === "arrived", places = new Map();
  for (const t of [...visits].sort(first)) if (isToday(t)) places.set(t.place, [...places.get(t.place) ?? [], t]);
  const later = [];
  for (const t of [...visits].sort(first)) if (!isToday(t)) places.has(t.place) ? places.get(t.place).push({ ...t, nearby: true }) : later.push(t);
  return { today: [...places].map(([place, some]) => ({ place, visits: some })), later };
}

const isApple = () => /iP(hone|ad|od)/.test(navigator.userAgent);
/** An address that a phone gives to its map: by the words, since nothing here has coordinates. */
export const mapOf = (where) => (isApple() ? `maps://?q=${encodeURIComponent(where)}` : `geo:0,0?q=${encodeURIComponent(where)}`);

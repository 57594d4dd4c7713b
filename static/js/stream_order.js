// @ts-check
/** In which order streams are listed. Pure: what is not known stands last, whichever way. */

/** @typedef {import('./stream_list.js').StreamEntry} StreamEntry */
/** @typedef {'path' | 'count' | 'size' | 'each' | 'latest'} Key */
/** @typedef {{key: Key, isDown: boolean}} Order */

/** By name, as the list comes. @type {Order} */
export const BY_PATH = { key: 'path', isDown: false };

/** What each key is called where there is no column to be pressed. @type {Record<Key, string>} */
export const WORDS = { path: 'Name', count: 'Readings', size: 'Size', each: 'Size per reading', latest: 'Newest' };

/** @type {Record<Exclude<Key, 'path'>, (entry: StreamEntry) => number | null>} */
const VALUES = {
  count: (entry) => entry.count,
  size: (entry) => entry.size,
  each: (entry) => entry.bytesEach,
  latest: (entry) => entry.latest,
};

/** The order after a column was pressed: numbers begin with the largest, then the other way round. @param {Order} order @param {Key} key @returns {Order} */
export function pressed(order, key) {
  return { key, isDown: order.key === key ? !order.isDown : key !== 'path' };
}

/** @param {StreamEntry[]} entries in the order of their paths @param {Order} order @returns {StreamEntry[]} */
export function ordered(entries, { key, isDown }) {
  if (key === 'path') return isDown ? [...entries].reverse() : entries;
  const of = VALUES[key];
  return [...entries].sort((a, b) => {
    const [one, other] = [of(a), of(b)];
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    return isDown ? other - one : one - other;
  });
}

// @ts-check
/**
 * What a graph shows, and its address: streams, range, band, logarithmic axes, hidden streams.
 *
 * The trap: an address is written by hand and by others, so whatever does not parse falls back
 * to its default instead of failing the page.
 */

import { HOUR_S, isoText, parseRange, spanText } from './range.js';

/** @typedef {import('./range.js').Range} Range */

/**
 * @typedef {object} View
 * @property {string[]} streams paths, in the order of their colours
 * @property {Range} range
 * @property {boolean} band whether minimum and maximum are drawn
 * @property {boolean | null} log logarithmic axes; null: where the channel says so
 * @property {string[]} hidden paths that are listed but not drawn
 */

/** @type {Range} */
export const DEFAULT_RANGE = { live: true, span_s: HOUR_S };
/** More streams than this nobody tells apart; an address with more is cut. */
export const MAX_STREAMS = 24;

/**
 * The view that an address asks for.
 *
 * @param {string} search with or without `?`
 * @param {number} now_s
 * @returns {View}
 */
export function parseView(search, now_s) {
  const query = new URLSearchParams(search);
  const parsed = parseRange(query.get('start') ?? '-1h', query.get('end') ?? 'now', now_s, { utc: true });
  const log = query.get('log');
  return {
    streams: list(query, 'streams').slice(0, MAX_STREAMS),
    range: 'range' in parsed ? parsed.range : DEFAULT_RANGE,
    band: query.get('band') !== '0',
    log: log === '1' ? true : log === '0' ? false : null,
    hidden: list(query, 'hidden'),
  };
}

/** @param {URLSearchParams} query @param {string} key */
function list(query, key) {
  const paths = query.getAll(key).flatMap((text) => text.split(',')).map((path) => path.trim());
  return [...new Set(paths.filter((path) => path !== ''))];
}

/**
 * The query of a view, such that `parseView` gives the same view again; readable, since people send it.
 *
 * @param {View} view
 * @returns {string} begins with `?`
 */
export function formatView(view) {
  const { range } = view;
  const parts = view.streams.map((path) => `streams=${encode(path)}`);
  const start = 'span_s' in range ? `-${spanText(range.span_s)}` : isoText(range.live ? range.since_s : range.start_s);
  parts.push(`start=${encode(start)}`, `end=${range.live ? 'now' : encode(isoText(range.end_s))}`);
  if (!view.band) parts.push('band=0');
  if (view.log !== null) parts.push(`log=${view.log ? 1 : 0}`);
  for (const path of view.hidden) {
    if (view.streams.includes(path)) parts.push(`hidden=${encode(path)}`);
  }
  return `?${parts.join('&')}`;
}

/** Slashes and colons need no escape in a query and read better without. @param {string} text */
function encode(text) {
  return encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%3A', ':');
}

/** The address of a graph of some streams over the last hour. @param {string[]} paths */
export function graphAddress(paths) {
  return `/graph${formatView({ streams: paths, range: DEFAULT_RANGE, band: true, log: null, hidden: [] })}`;
}

// @ts-check
/**
 * The range of time that a graph shows: live with a length or with a start, or fixed with two ends.
 *
 * The trap: a live range has no ends of its own, only `resolve` with the time of now gives them.
 * What a person types is in the viewer's zone; what stands in an address or goes to the server
 * is UTC unless it names a zone, as everywhere in the API.
 */

/** @typedef {{live: true, span_s: number}} SlidingRange */
/** @typedef {{live: true, since_s: number}} GrowingRange */
/** @typedef {{live: false, start_s: number, end_s: number}} FixedRange */
/** @typedef {SlidingRange | GrowingRange | FixedRange} Range */

export const MINUTE_S = 60;
export const HOUR_S = 3600;
export const DAY_S = 86400;
export const MIN_SPAN_S = 0.01;
export const MAX_SPAN_S = 50 * 365 * DAY_S;

/** @type {ReadonlyArray<{word: string, span_s: number}>} */
export const PRESETS = [
  { word: '5 min', span_s: 5 * MINUTE_S },
  { word: '15 min', span_s: 15 * MINUTE_S },
  { word: '1 h', span_s: HOUR_S },
  { word: '6 h', span_s: 6 * HOUR_S },
  { word: '1 d', span_s: DAY_S },
  { word: '1 w', span_s: 7 * DAY_S },
  { word: '1 mo', span_s: 30 * DAY_S },
  { word: '1 y', span_s: 365 * DAY_S },
];

/** @type {Readonly<Record<string, number>>} */
const UNITS_S = {
  ms: 0.001, s: 1, m: MINUTE_S, min: MINUTE_S, h: HOUR_S, d: DAY_S, w: 7 * DAY_S,
  mo: 30 * DAY_S, y: 365 * DAY_S,
};
/** Largest first: what `spanText` tries. The server knows these words too. */
const SPAN_WORDS = /** @type {const} */ (['y', 'w', 'd', 'h', 'min', 's']);

const RELATIVE = /^(?:now)?\s*([+-])\s*(\d+(?:[.,]\d+)?)\s*([a-z]+)$/;
const NUMBER = /^\d{8,}(?:\.\d+)?$/;
const CLOCK = /^(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?$/;
const DATE = /^(?:(\d{4})-(\d\d?)-(\d\d?)|(\d\d?)\.(\d\d?)\.(\d{4}))(?:[T ]\s*(\S+?))?(Z|[+-]\d\d:?\d\d)?$/i;

export const ALLOWED = 'use 14:04, 14:04:07, 2026-11-22 14:04, -6h or now';

/**
 * The time that a person or an address wrote, in Unix seconds, or null if it is none.
 *
 * @param {string} text
 * @param {number} now_s
 * @param {{utc?: boolean}} [options] `utc`: a date without a zone is UTC, not the viewer's time.
 * @returns {number | null}
 */
export function parseTime(text, now_s, { utc = false } = {}) {
  const trimmed = text.trim();
  const word = trimmed.toLowerCase();
  if (word === 'now' || word === 'live') return now_s;
  const relative = RELATIVE.exec(word);
  if (relative) return parseRelative(relative, now_s);
  if (NUMBER.test(word)) return Number(word) < 1e11 ? Number(word) : null;
  const clock = CLOCK.exec(trimmed);
  if (clock) return clockTime(clock, now_s, utc);
  const date = DATE.exec(trimmed);
  return date ? dateTime(date, utc) : null;
}

/** @param {RegExpExecArray} match @param {number} now_s */
function parseRelative([, sign, number, unit], now_s) {
  if (!Object.hasOwn(UNITS_S, unit)) return null;
  const span_s = Number(number.replace(',', '.')) * UNITS_S[unit];
  return sign === '+' ? now_s + span_s : now_s - span_s;
}

/**
 * The newest such time of day that is not ahead.
 *
 * @param {RegExpExecArray} match @param {number} now_s @param {boolean} utc
 */
function clockTime(match, now_s, utc) {
  const clock = clockFields(match);
  if (clock === null) return null;
  const now = new Date(now_s * 1000);
  for (const back of [0, 1, 2]) {
    const [year, month, day] = utc
      ? [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() - back]
      : [now.getFullYear(), now.getMonth(), now.getDate() - back];
    const time_s = toSeconds([year, month, day, ...clock], utc);
    if (time_s <= now_s) return time_s;
  }
  return null;
}

/** @param {RegExpExecArray} match @returns {[number, number, number, number] | null} */
function clockFields([, hour, minute, second = '0', fraction = '0']) {
  const fields = [hour, minute, second].map(Number);
  if (fields[0] > 23 || fields[1] > 59 || fields[2] > 59) return null;
  return [fields[0], fields[1], fields[2], Number(`0.${fraction}`)];
}

/** @param {RegExpExecArray} match @param {boolean} utc @returns {number | null} */
function dateTime([, y1, m1, d1, d2, m2, y2, time, zone], utc) {
  const [year, month, day] = [y1 ?? y2, m1 ?? m2, d1 ?? d2].map(Number);
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return null;
  const match = CLOCK.exec(time ?? '00:00');
  const clock = match && clockFields(match);
  if (!clock) return null;
  const time_s = toSeconds([year, month - 1, day, ...clock], utc || zone !== undefined);
  return zone === undefined ? time_s : time_s - zoneOffset(zone);
}

/** @param {string} zone `Z`, `+01:00` or `+0100` */
function zoneOffset(zone) {
  if (/^z$/i.test(zone)) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone[0] === '-' ? -60 : 60) * minutes;
}

/** @param {number[]} fields year, month from 0, day, hour, minute, second, fraction @param {boolean} utc */
function toSeconds([year, month, day, hour, minute, second, fraction], utc) {
  const ms = utc
    ? Date.UTC(year, month, day, hour, minute, second)
    : new Date(year, month, day, hour, minute, second).getTime();
  return ms / 1000 + fraction;
}

/**
 * The ends of a range.
 *
 * @param {Range} range @param {number} now_s
 * @returns {[number, number]}
 */
export function resolve(range, now_s) {
  if (!range.live) return [range.start_s, range.end_s];
  return ['since_s' in range ? range.since_s : now_s - range.span_s, now_s];
}

/** @param {Range} range @param {number} now_s */
export function spanOf(range, now_s) {
  const [start_s, end_s] = resolve(range, now_s);
  return end_s - start_s;
}

/**
 * The range of two typed ends, or what is wrong with which of them. From a time until now it grows, from `-1h` it slides.
 *
 * @param {string} from @param {string} to @param {number} now_s @param {{utc?: boolean}} [options]
 * @returns {{range: Range} | {field: 'from' | 'to', message: string}}
 */
export function parseRange(from, to, now_s, options) {
  const start_s = parseTime(from, now_s, options);
  if (start_s === null) return { field: 'from', message: ALLOWED };
  let end_s = parseTime(to, now_s, options);
  if (end_s === null) return { field: 'to', message: ALLOWED };
  const isNow = ['now', 'live'].includes(to.trim().toLowerCase());
  if (end_s <= start_s && CLOCK.test(to.trim())) end_s += Math.ceil((start_s - end_s) / DAY_S) * DAY_S;
  if (isNow && start_s >= now_s) return { field: 'from', message: 'must be before now' };
  if (end_s - start_s < MIN_SPAN_S) return { field: 'to', message: 'must be after the start' };
  if (end_s - start_s > MAX_SPAN_S) return { field: 'from', message: 'at most 50 years' };
  if (!isNow) return { range: { live: false, start_s, end_s } };
  return { range: RELATIVE.test(from.trim().toLowerCase()) ? { live: true, span_s: end_s - start_s } : { live: true, since_s: start_s } };
}

/**
 * A span as the API writes it, exact to the millisecond: `1h`, `90min`, `0.25s`.
 *
 * @param {number} span_s
 */
export function spanText(span_s) {
  const ms = Math.round(span_s * 1000);
  const unit = SPAN_WORDS.find((word) => ms % (UNITS_S[word] * 1000) === 0) ?? 's';
  return `${ms / 1000 / UNITS_S[unit]}${unit}`;
}

/** ISO 8601 in UTC, without needless decimals. @param {number} time_s */
export function isoText(time_s) {
  return new Date(Math.round(time_s * 1000)).toISOString().replace('.000Z', 'Z');
}

/**
 * A range moved by a fraction of its span; a live range becomes fixed, except when it would reach now again.
 *
 * @param {Range} range @param {number} fraction @param {number} now_s
 * @returns {Range}
 */
export function pan(range, fraction, now_s) {
  const [start_s, end_s] = resolve(range, now_s);
  const shift_s = (end_s - start_s) * fraction;
  return { live: false, start_s: start_s + shift_s, end_s: end_s + shift_s };
}

/**
 * A range scaled about a time that stays where it is. At the live end, live stays live.
 *
 * @param {Range} range @param {number} factor above 1 shows more @param {number} about_s @param {number} now_s
 * @returns {Range}
 */
export function zoom(range, factor, about_s, now_s) {
  const [start_s, end_s] = resolve(range, now_s);
  const span_s = Math.min(Math.max((end_s - start_s) * factor, MIN_SPAN_S), MAX_SPAN_S);
  if (range.live) return { live: true, span_s };
  const left = (about_s - start_s) / (end_s - start_s);
  const from_s = about_s - span_s * left;
  return { live: false, start_s: from_s, end_s: from_s + span_s };
}

/** @param {Range} a @param {Range} b */
export function isSameRange(a, b) {
  if (a.live !== b.live || 'since_s' in a !== 'since_s' in b) return false;
  const [p, q] = [resolve(a, 0), resolve(b, 0)];
  return Math.abs(p[0] - q[0]) < 1e-3 && Math.abs(p[1] - q[1]) < 1e-3;
}

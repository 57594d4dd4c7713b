// @ts-check
/** What a graph says in words: its title, its range, how fine its points are. */

import { formatClock, formatDate, zoneName } from '../ages.js';

/** `Rb cooling, Lab air and 2 more` @param {string[]} labels */
export function titleOf(labels) {
  if (labels.length === 0) return 'Graph';
  if (labels.length === 1) return labels[0];
  if (labels.length === 2) return `${labels[0]} and ${labels[1]}`;
  return `${labels[0]}, ${labels[1]} and ${labels.length === 3 ? labels[2] : `${labels.length - 2} more`}`;
}

/** `Sunday 22 November 2026, 14:04:07 to 15:04:07 CET`; both zones where the clocks were changed between. @param {number} start_s @param {number} end_s */
export function rangeText(start_s, end_s) {
  const [start, end] = [formatDate(start_s), formatDate(end_s)];
  const clock = end_s - start_s < 20 ? fineClock : formatClock;
  const [zone, endZone] = [zoneName(start_s), zoneName(end_s)];
  const from = `${start}, ${clock(start_s)}${zone === endZone ? '' : ` ${zone}`}`;
  return `${from} to ${start === end ? '' : `${end}, `}${clock(end_s)} ${endZone}`;
}

/** With milliseconds. @param {number} time_s */
export function fineClock(time_s) {
  const ms = Math.floor((time_s - Math.floor(time_s)) * 1000);
  return `${formatClock(time_s)}.${String(ms).padStart(3, '0')}`;
}

/** `6 s`, `10 min`, `12 h`, `1 d` @param {number} span_s */
export function bucketText(span_s) {
  /** @type {Array<[number, string]>} */
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const [size, word] = units.find(([seconds]) => span_s >= seconds) ?? [0.001, 'ms'];
  return `${Number((span_s / size).toFixed(2))} ${word}`;
}

/** `one point per 6 s`, `every reading` @param {Array<{bucket_s: number}>} columns */
export function finenessText(columns) {
  if (columns.length === 0) return '';
  const widest = Math.max(...columns.map(({ bucket_s }) => bucket_s));
  return widest === 0 ? 'every reading' : `one point per ${bucketText(widest)}`;
}

/** A time at the cursor, as fine as the range. @param {number} time_s @param {number} span_s */
export function cursorText(time_s, span_s) {
  if (span_s < 20) return fineClock(time_s);
  const clock = formatClock(time_s);
  if (span_s <= 86400) return clock;
  const [, day, month] = formatDate(time_s).split(' ');
  return `${day} ${month.slice(0, 3)} ${span_s > 14 * 86400 ? clock.slice(0, 5) : clock}`;
}

/** How an end of the range stands in its field. @param {number} time_s @param {number} now_s @param {number} span_s */
export function fieldText(time_s, now_s, span_s) {
  const clock = span_s < 20 ? fineClock(time_s) : formatClock(time_s).slice(0, span_s > 2 * 86400 ? 5 : 8);
  if (formatDate(time_s) === formatDate(now_s) && time_s <= now_s) return clock;
  const date = new Date(time_s * 1000);
  const two = (/** @type {number} */ part) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

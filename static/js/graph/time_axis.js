// @ts-check
/**
 * Where the lines of the time axis are, and what is written at them: round times of the viewer's zone.
 *
 * The trap: days are 23 or 25 hours long twice a year and months differ, so steps of an hour and more
 * are counted on the calendar, never by adding seconds.
 */

const SUB_HOUR_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800];
const HOURS = [1, 2, 3, 6, 12];
const DAYS = [1, 2, 7, 14];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];

export const MONTH_WORDS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** @typedef {{unit: 'second' | 'hour' | 'day' | 'month', count: number, about_s: number}} Step */

/** @type {Step[]} */
const STEPS = [
  ...SUB_HOUR_S.map((count) => step('second', count, count)),
  ...HOURS.map((count) => step('hour', count, count * 3600)),
  ...DAYS.map((count) => step('day', count, count * 86400)),
  ...MONTHS.map((count) => step('month', count, count * 30.4 * 86400)),
];

/** @param {Step['unit']} unit @param {number} count @param {number} about_s @returns {Step} */
function step(unit, count, about_s) {
  return { unit, count, about_s };
}

/**
 * @param {number} start_s @param {number} end_s @param {number} width_px
 * @returns {{splits: number[], labels: string[]}}
 */
export function timeTicks(start_s, end_s, width_px) {
  const distance_px = Math.min(110, Math.max(72, width_px / 7));
  const least_s = ((end_s - start_s) * distance_px) / Math.max(width_px, 1);
  const chosen = STEPS.find(({ about_s }) => about_s >= least_s) ?? STEPS[STEPS.length - 1];
  const splits = chosen.unit === 'second' ? secondSplits(start_s, end_s, chosen.count) : calendarSplits(start_s, end_s, chosen);
  return { splits, labels: splits.map((time_s) => label(time_s, chosen)) };
}

/** @param {number} start_s @param {number} end_s @param {number} count */
function secondSplits(start_s, end_s, count) {
  const offset_s = -60 * new Date(start_s * 1000).getTimezoneOffset();
  const first = Math.ceil((start_s + offset_s) / count - 1e-3);
  const last = Math.floor((end_s + offset_s) / count + 1e-3);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * count - offset_s);
}

/** @param {number} start_s @param {number} end_s @param {Step} chosen */
function calendarSplits(start_s, end_s, { unit, count }) {
  const date = new Date(start_s * 1000);
  const fields = [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours()];
  const place = unit === 'month' ? 1 : unit === 'day' ? 2 : 3;
  const from = unit === 'month' ? [Math.floor(fields[0] / Math.max(1, count / 12)) * Math.max(1, count / 12), 0, 1, 0]
    : unit === 'day' ? [fields[0], fields[1], fields[2] - weekday(date, count), 0]
      : [fields[0], fields[1], fields[2], Math.floor(fields[3] / count) * count];
  /** @type {number[]} */
  const splits = [];
  for (let i = 0; i < 400; i += 1) {
    const at = [...from];
    at[place] += i * count;
    const time_s = new Date(at[0], at[1], at[2], at[3]).getTime() / 1000;
    if (time_s > end_s) break;
    if (time_s >= start_s && time_s !== splits[splits.length - 1]) splits.push(time_s);
  }
  return splits;
}

/** Weeks begin on Monday; other days count from the first of the year. @param {Date} date @param {number} count */
function weekday(date, count) {
  if (count % 7 === 0) return (date.getDay() + 6) % 7;
  const newYear = Date.UTC(date.getFullYear(), 0, 1);
  const dayOfYear = Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - newYear) / 86400000);
  return dayOfYear % count;
}

/** @param {number} time_s @param {Step} chosen */
function label(time_s, { unit, count }) {
  const date = new Date(time_s * 1000);
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0 && Math.abs(time_s - Math.round(time_s)) < 1e-4;
  if (unit === 'month') return date.getMonth() === 0 ? String(date.getFullYear()) : MONTH_WORDS[date.getMonth()];
  if (unit === 'day' || (isMidnight && count >= 1)) return `${date.getDate()} ${MONTH_WORDS[date.getMonth()]}`;
  const clock = [date.getHours(), date.getMinutes()];
  if (unit === 'second' && count < 60) clock.push(date.getSeconds());
  const text = clock.map((part) => String(part).padStart(2, '0')).join(':');
  return unit === 'second' && count < 1 ? text + fraction(time_s, count) : text;
}

/** @param {number} time_s @param {number} count */
function fraction(time_s, count) {
  const digits = Math.ceil(-Math.log10(count) - 1e-9);
  return (Math.round((time_s - Math.floor(time_s)) * 10 ** digits) / 10 ** digits).toFixed(digits).slice(1);
}

// @ts-check
/** Ages, durations and clock times as words. Clock times are in the viewer's zone; UTC is for the tooltip. */

const MIN = 60;
const HOUR = 3600;
const DAY = 86_400;

/**
 * `0.1 s`, `48 s`, `12 min`, `3 h`, `4 d`.
 * @param {number} age_s below zero counts as fresh: clocks never agree to the last millisecond
 */
export function formatAge(age_s) {
  const age = Math.max(age_s, 0.1);
  if (age < 9.95) return `${age.toFixed(1)} s`;
  if (age < MIN) return `${Math.min(Math.round(age), 59)} s`;
  if (age < HOUR) return `${Math.floor(age / MIN)} min`;
  if (age < 2 * DAY) return `${Math.floor(age / HOUR)} h`;
  return `${Math.floor(age / DAY)} d`;
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, '0');

/**
 * `15:04:07`
 * @param {number} time Unix seconds
 */
export function formatClock(time) {
  const date = new Date(time * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * `14:58`, the time of day to the minute.
 * @param {number} time Unix seconds
 */
export const formatMinute = (time) => formatClock(time).slice(0, 5);

const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const LONG_DATE = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/**
 * A moment, with as much of the date as is needed: `15:03:19` today, `19 Nov 11:02` this year, `19 Nov 2025 11:02` else.
 * @param {number} time Unix seconds
 * @param {number} now Unix seconds
 */
export function formatMoment(time, now) {
  const [then, today] = [new Date(time * 1000), new Date(now * 1000)];
  if (then.toDateString() === today.toDateString()) return formatClock(time);
  const year = then.getFullYear() === today.getFullYear() ? '' : ` ${then.getFullYear()}`;
  return `${DATE.format(then)}${year} ${formatMinute(time)}`;
}

/**
 * `Sunday 22 November 2026`
 * @param {number} time Unix seconds
 */
export const formatDate = (time) => LONG_DATE.format(new Date(time * 1000)).replace(',', '');

/**
 * For the tooltip: `2026-11-22 14:04:07 UTC`.
 * @param {number} time Unix seconds
 */
export const formatUtc = (time) => `${new Date(time * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/**
 * The name of the viewer's time zone, which in summer is another one: `CET`, `CEST`, `GMT+1`.
 * @param {number} time Unix seconds
 */
export function zoneName(time) {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(new Date(time * 1000));
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
}

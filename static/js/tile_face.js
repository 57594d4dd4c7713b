// @ts-check
/** What a tile says: state, value, age and note, judged from a reading, its device and the connection. Pure. */

import { formatAge, formatClock, formatMinute, formatMoment } from './ages.js';
import { numberText, withMinus } from './numbers.js';
import { channelState, isSimulated, periodOf, STATES } from './states.js';
import { peakToPeakText } from './units.js';

/** @typedef {import('./states.js').StateName} StateName */
/**
 * @typedef {object} Subject
 * @property {import('./shapes.js').Channel} channel
 * @property {import('./shapes.js').DeviceStatus} device
 * @property {import('./stream.js').Reading | null} reading
 * @property {{t: number, value: number} | null} last the newest value of the last ten minutes
 */
/**
 * @typedef {object} TileFace
 * @property {StateName} state
 * @property {boolean} isSimulated
 * @property {string} badge the badge's words, empty where the age is the proof
 * @property {string} age
 * @property {any} value null where there is none, or it must not be shown
 * @property {string} prefix `>` or `<`
 * @property {string} note beside the sparkline, empty where its scale stands there
 * @property {boolean} isSilent the sparkline ends before now
 */

const SHOWS_VALUE = new Set(['ok', 'simulated', 'stale', 'over_range', 'under_range', 'limit', 'warning', 'alarm']);
/** @type {Set<StateName>} */
const SILENT = new Set(['no_signal', 'no_value', 'fault', 'stale', 'offline', 'connecting', 'stuck', 'disabled']);
const DEVICE_STATES = new Set(['offline', 'connecting', 'stuck', 'disabled']);

/**
 * The state alone, which is cheap: there may be thousands of channels to count.
 * @param {Omit<Subject, 'last'>} subject
 * @param {number} now Unix seconds by the server's clock
 * @returns {StateName}
 */
export function tileState({ channel, device, reading }, now) {
  const state = channelState({ reading, device: device.state, period_s: periodOf(channel, device) }, now);
  return state === 'ok' && isFromSimulation(device, reading) ? 'simulated' : state;
}

/** @param {import('./shapes.js').DeviceStatus} device @param {import('./stream.js').Reading | null} reading */
const isFromSimulation = (device, reading) => device.simulated || (reading !== null && isSimulated(reading.quality));

/**
 * @param {Subject} subject
 * @param {number} now Unix seconds by the server's clock
 * @param {number | null} lostAt since when there is no connection: what was known then still stands, but as old
 * @returns {TileFace}
 */
export function tileFace(subject, now, lostAt = null) {
  const { channel, device, reading } = subject;
  const state = tileState(subject, lostAt ?? now);
  const age = reading ? formatAge(now - reading.t) : '';
  const isOk = state === 'ok' || state === 'simulated';
  return {
    state,
    isSimulated: isFromSimulation(device, reading),
    badge: isOk || DEVICE_STATES.has(state) ? '' : badgeText(state, age, lostAt),
    age,
    ...shownValue(state, channel, reading),
    note: isOk ? '' : noteText(state, subject, now),
    isSilent: SILENT.has(state),
  };
}

/** @param {StateName} state @param {string} age @param {number | null} lostAt */
function badgeText(state, age, lostAt) {
  const { word, tone } = STATES[state];
  if (state === 'stale') return `${word}, ${age}`;
  return lostAt !== null && tone === 'alarm' ? `${word} at ${formatClock(lostAt)}` : word;
}

/**
 * @param {StateName} state
 * @param {import('./shapes.js').Channel} channel
 * @param {import('./stream.js').Reading | null} reading
 * @returns {{value: any, prefix: string}}
 */
function shownValue(state, { limits }, reading) {
  if (!reading || !SHOWS_VALUE.has(state)) return { value: null, prefix: '' };
  if (state === 'over_range') return beyond('>', limits?.[1] ?? reading.value);
  if (state === 'under_range') return beyond('<', limits?.[0] ?? reading.value);
  return { value: reading.value, prefix: '' };
}

/** @param {string} sign @param {any} bound */
const beyond = (sign, bound) => ({ value: bound, prefix: bound === null ? '' : sign });

/** @param {StateName} state @param {Subject} subject @param {number} now */
function noteText(state, { channel, reading, last }, now) {
  const [low, high] = channel.limits ?? [null, null];
  if (state === 'stale') return reading ? `last ${momentText(reading.t, now)}` : '';
  if (state === 'over_range') return rangeText(high, channel);
  if (state === 'under_range') return rangeText(low, channel);
  if (state === 'limit') return limitText(channel, reading);
  if (DEVICE_STATES.has(state)) return last ? `last ${withUnit(last.value, channel)} at ${formatMoment(last.t, now)}` : 'no value in 10 min';
  return last ? `since ${sinceText(last.t, now)}` : '';
}

/** The end of the range; empty where it would only repeat a long value. @param {number | null} end @param {import('./shapes.js').Channel} channel */
function rangeText(end, channel) {
  if (end === null || channel.scientific) return '';
  const rounded = Number(end.toFixed(channel.digits));
  const text = rounded === 0 ? numberText(end, end === 0 ? { digits: 0 } : channel) : withMinus(String(rounded));
  return `range ${text}${channel.unit && ` ${channel.unit}`}`;
}

/** The limit that is nearer. @param {import('./shapes.js').Channel} channel @param {import('./stream.js').Reading | null} reading */
function limitText(channel, reading) {
  const limits = (channel.limits ?? []).filter((limit) => limit !== null);
  if (!limits.length || typeof reading?.value !== 'number') return '';
  const { value } = reading;
  const [nearest] = limits.sort((a, b) => Math.abs(a - value) - Math.abs(b - value));
  return `limit ${numberText(nearest, channel)}`;
}

/** @param {number} value @param {import('./shapes.js').Channel} channel */
const withUnit = (value, channel) => `${numberText(value, channel)}${channel.unit ? `\u202f${channel.unit}` : ''}`;

const isOld = (/** @type {number} */ t, /** @type {number} */ now) => now - t > 86_400;
const momentText = (/** @type {number} */ t, /** @type {number} */ now) => (isOld(t, now) ? formatMoment(t, now) : formatClock(t));
const sinceText = (/** @type {number} */ t, /** @type {number} */ now) => (isOld(t, now) ? formatMoment(t, now) : formatMinute(t));

/**
 * The scale of a sparkline, or the note that stands in its place.
 * @param {TileFace} face
 * @param {import('./shapes.js').Channel} channel
 * @param {{low: number, high: number}} range
 */
export function footText(face, channel, { low, high }) {
  if (face.note || face.isSilent) return face.note;
  return Number.isFinite(low) && Number.isFinite(high) ? peakToPeakText(low, high, channel) : '';
}

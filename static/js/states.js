// @ts-check
/**
 * The state language: shape, word and colour, always all three. Quality travels with a reading; stale is an age and
 * is judged here, against the period the channel should keep and the server's clock.
 */

/** @typedef {'ok' | 'simulated' | 'no_signal' | 'no_value' | 'over_range' | 'under_range' | 'limit' | 'fault' | 'stale'
 *   | 'warning' | 'alarm' | 'offline' | 'connecting' | 'stuck' | 'disabled' | 'unknown' | 'lost'} StateName */
/** @typedef {'ok' | 'sim' | 'quiet' | 'warn' | 'alarm'} Tone */
/**
 * @typedef {object} State
 * @property {string} word
 * @property {import('./icons.js').IconName} icon
 * @property {Tone} tone
 */

/** @type {Record<StateName, State>} */
export const STATES = {
  ok: { word: 'Running', icon: 'ok', tone: 'ok' },
  simulated: { word: 'Simulated', icon: 'sim', tone: 'sim' },
  no_signal: { word: 'No signal', icon: 'nosig', tone: 'quiet' },
  no_value: { word: 'No value', icon: 'nosig', tone: 'quiet' },
  over_range: { word: 'Over range', icon: 'over', tone: 'warn' },
  under_range: { word: 'Under range', icon: 'under', tone: 'warn' },
  limit: { word: 'At limit', icon: 'limit', tone: 'warn' },
  fault: { word: 'Fault', icon: 'fault', tone: 'alarm' },
  stale: { word: 'Stale', icon: 'stale', tone: 'quiet' },
  warning: { word: 'Warning', icon: 'warn', tone: 'warn' },
  alarm: { word: 'Alarm', icon: 'alarm', tone: 'alarm' },
  offline: { word: 'Offline', icon: 'off', tone: 'quiet' },
  connecting: { word: 'Connecting', icon: 'stale', tone: 'quiet' },
  stuck: { word: 'Stuck', icon: 'fault', tone: 'alarm' },
  disabled: { word: 'Disabled', icon: 'off', tone: 'quiet' },
  unknown: { word: 'Not known', icon: 'stale', tone: 'ok' },
  lost: { word: 'Not connected', icon: 'off', tone: 'quiet' },
};

/** Which state a tile shows when there are several. */
export const ORDER = /** @type {const} */ ([
  'alarm', 'fault', 'stuck', 'offline', 'disabled', 'connecting', 'stale', 'no_signal', 'no_value', 'warning', 'over_range', 'under_range',
  'limit', 'simulated', 'ok',
]);

const CODE_MASK = 0x0f;
const SIMULATED = 0x10;
/** @type {StateName[]} */
const CODES = ['ok', 'no_signal', 'over_range', 'under_range', 'limit', 'fault'];

/**
 * What the code of a quality byte says; a code of the future counts as a fault.
 * @param {number} quality
 * @returns {StateName}
 */
export const qualityState = (quality) => CODES[quality & CODE_MASK] ?? 'fault';

/** @param {number} quality */
export const isSimulated = (quality) => (quality & SIMULATED) !== 0;

const STALE_PERIODS = 3;
const STALE_AT_LEAST_S = 2;

/**
 * The age from which a value is no longer live.
 * @param {number | null} period_s null where nobody knows how often it should come
 */
export const staleAfter = (period_s) => (period_s ? Math.max(STALE_PERIODS * period_s, STALE_AT_LEAST_S) : Infinity);

/**
 * How often a channel should say something; null where nobody knows.
 * @param {{period_s?: number | null}} channel
 * @param {{period_s: number} | undefined} device
 * @returns {number | null}
 */
export const periodOf = ({ period_s }, device) => (period_s === undefined ? device?.period_s ?? null : period_s);

/**
 * The state of a device.
 * @param {import('./shapes.js').DeviceState} state
 * @returns {StateName}
 */
export const deviceState = (state) => (state === 'online' ? 'ok' : state);

/**
 * The state of a channel, the first of those that hold.
 * @param {object} of
 * @param {{t: number, value: any, quality: number} | null} of.reading the newest; null if there never was one
 * @param {import('./shapes.js').DeviceState} of.device
 * @param {number | null} of.period_s
 * @param {number} now Unix seconds by the server's clock
 * @returns {StateName}
 */
export function channelState({ reading, device, period_s }, now) {
  const quality = reading ? qualityState(reading.quality) : 'ok';
  if (device !== 'online') return deviceState(device);
  if (!reading) return 'no_value';
  if (quality === 'fault') return 'fault';
  if (quality === 'ok' && isNothing(reading.value)) return 'no_value'; // nothing does not become older
  if (now - reading.t > staleAfter(period_s)) return 'stale';
  return quality;
}

/** What cannot be shown as a value: a gap, or an overflow. @param {any} value */
const isNothing = (value) => value === null || (typeof value === 'number' && !Number.isFinite(value));

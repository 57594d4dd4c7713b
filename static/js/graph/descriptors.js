// @ts-check
/**
 * What is known of the streams on a graph: label, unit, digits, how often they come.
 *
 * Channels of devices are known to the page already; other streams are asked for once. The trap: a
 * stream in an old link may not exist any more, and may come to exist again while we look.
 */

import { request } from '../api.js';
import { periodOf, staleAfter } from '../states.js';
import { isNumeric } from '../stream_list.js';

/**
 * @typedef {object} Descriptor
 * @property {string} path
 * @property {string} name what it is called where its device is named, too
 * @property {string} owner its device
 * @property {string} label what it is called among the others
 * @property {string} unit
 * @property {number} digits
 * @property {boolean} scientific
 * @property {boolean} isNumeric
 * @property {number} period_s Infinity where nobody knows
 * @property {number} stale_s the age from which its newest reading is not `now` any more; Infinity for a setpoint, which holds
 */

/** Who does not say how often it comes is not believed for longer. */
const UNTOLD_STALE_S = 60;
/** Digits where no channel says: as many as the span of the axis asks for. */
const ANY_DIGITS = 12;

/**
 * @param {import('../store.js').Store} store
 * @param {string[]} paths
 * @returns {Map<string, Descriptor>}
 */
export function knownDescriptors(store, paths) {
  const known = new Map();
  for (const device of store.devices.values()) {
    for (const channel of device.channels) {
      if (!paths.includes(channel.path)) continue;
      const period_s = periodOf(channel, device);
      known.set(channel.path, {
        path: channel.path, ...named(channel.label || channel.name, device.title), unit: channel.unit, digits: channel.digits,
        scientific: channel.scientific, isNumeric: channel.kind === 'numeric', period_s: period_s || Infinity, stale_s: staleAfter(period_s),
      });
    }
  }
  return known;
}

/**
 * @param {string[]} paths
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, Descriptor>>} without those that do not exist
 */
export async function fetchDescriptors(paths, signal) {
  if (paths.length === 0) return new Map();
  const { streams } = await request('streams', { path: paths }, { signal });
  return new Map(streams.map((/** @type {any} */ stream) => [stream.path, descriptorOf(stream)]));
}

/** @param {any} stream as `GET streams` describes it @returns {Descriptor} */
function descriptorOf(stream) {
  return {
    path: stream.path, ...named(stream.label || stream.channel || stream.path, stream.device || stream.path.split('/')[0]), unit: stream.unit ?? '',
    digits: typeof stream.digits === 'number' ? stream.digits : ANY_DIGITS, scientific: stream.scientific === true,
    isNumeric: isNumeric(stream.value_type), period_s: stream.period_s || Infinity,
    stale_s: stream.period_s ? staleAfter(stream.period_s) : UNTOLD_STALE_S,
  };
}

/** @param {string} name @param {string} owner */
const named = (name, owner) => ({ name, owner, label: name });

/**
 * The same streams with labels that differ: of two that are called `Supply`, each is called after its device, too.
 *
 * @template {{name: string, owner: string}} T
 * @param {T[]} streams
 * @returns {Array<T & {label: string}>}
 */
export function toldApart(streams) {
  const isShared = (/** @type {string} */ name) => streams.filter((other) => other.name === name).length > 1;
  return streams.map((stream) => ({ ...stream, label: isShared(stream.name) ? `${stream.owner}: ${stream.name}` : stream.name }));
}

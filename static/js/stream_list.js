// @ts-check
/** The list of streams as `GET streams` gives it: fetching, searching, sorting. Search is over words, all of which must occur. */

import { request } from './api.js';
import { seconds } from './wire.js';

/**
 * @typedef {object} StreamEntry
 * @property {string} id
 * @property {string} path
 * @property {string} device
 * @property {string} label
 * @property {string} unit
 * @property {string} description
 * @property {number} digits
 * @property {boolean} scientific
 * @property {number | null} accuracy
 * @property {boolean} isNumeric
 * @property {number | null} earliest Unix seconds
 * @property {number | null} latest
 * @property {any} value the newest
 * @property {number} quality
 * @property {number} count
 * @property {number | null} size bytes on disk; null while nobody knows
 * @property {number | null} bytesEach of a reading, rollups and time stamps included; null where nothing is sealed yet
 * @property {number | null} period_s
 * @property {Record<string, any>} tags
 */

/** Tags that have a column of their own. */
const SHOWN_TAGS = ['path', 'device', 'channel', 'label', 'unit', 'description', 'digits', 'scientific', 'accuracy', 'limits', 'period_s', 'node'];

/**
 * @param {boolean} withInternal also those with a segment that begins with `_`, such as the states of devices
 * @returns {Promise<StreamEntry[]>}
 */
export async function fetchStreams(withInternal) {
  const { streams } = await request('streams', { path: withInternal ? ['**', '**/_*', '**/_*/**'] : ['**'] });
  return streams.map(entryOf).sort(byPath);
}

/** @param {any} stream @returns {StreamEntry} */
export function entryOf(stream) {
  const time = (/** @type {any} */ value) => (typeof value === 'number' ? seconds(value) : null);
  return {
    id: stream.id, path: stream.path, device: stream.device ?? stream.path.split('/')[0], label: stream.label || stream.channel || stream.path,
    unit: stream.unit ?? '', description: stream.description ?? '', digits: typeof stream.digits === 'number' ? stream.digits : 6,
    scientific: stream.scientific === true, accuracy: stream.accuracy ?? null,
    isNumeric: isNumeric(stream.value_type), earliest: time(stream.earliest), latest: time(stream.latest), value: stream.latest_value ?? null,
    quality: stream.quality ?? 0, count: stream.count ?? 0, size: stream.size_bytes ?? null, bytesEach: stream.bytes_per_datapoint ?? null, period_s: stream.period_s ?? null,
    tags: Object.fromEntries(Object.entries(stream.tags ?? {}).filter(([name]) => !SHOWN_TAGS.includes(name))),
  };
}

/** Whether a stream of this type can be drawn as a line. @param {string | null | undefined} valueType */
export function isNumeric(valueType) {
  return (valueType ?? 'numeric') === 'numeric';
}

/** Numbers within names are sorted as numbers. */
const COLLATOR = new Intl.Collator('en', { numeric: true });

/** @param {StreamEntry} a @param {StreamEntry} b */
function byPath(a, b) {
  return COLLATOR.compare(a.path, b.path);
}

/** @param {StreamEntry} entry */
export function isInternal({ path }) {
  return path.split('/').some((segment) => segment.startsWith('_'));
}

/** @param {StreamEntry[]} entries @param {string} text @returns {StreamEntry[]} */
export function search(entries, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return entries;
  return entries.filter((entry) => {
    const all = textOf(entry);
    return words.every((word) => all.includes(word));
  });
}

/** What is searched; made once for each entry, there may be ten thousand. @type {WeakMap<StreamEntry, string>} */
const TEXTS = new WeakMap();

/** @param {StreamEntry} entry */
function textOf(entry) {
  let text = TEXTS.get(entry);
  if (text === undefined) {
    const tags = Object.entries(entry.tags).map(([name, value]) => `${name}=${value}`);
    text = [entry.path, entry.label, entry.unit, entry.description, ...tags].join(' ').toLowerCase();
    TEXTS.set(entry, text);
  }
  return text;
}

/** Entries under their device, in order. @param {StreamEntry[]} entries @returns {Array<[string, StreamEntry[]]>} */
export function byDevice(entries) {
  /** @type {Map<string, StreamEntry[]>} */
  const groups = new Map();
  for (const entry of entries) {
    const group = groups.get(entry.device);
    if (group) group.push(entry);
    else groups.set(entry.device, [entry]);
  }
  return [...groups];
}

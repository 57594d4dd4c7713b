// @ts-check
/** Requests over HTTP: devices, streams, the newest readings, and columns for graphs. */

import { decode, numberColumn, seconds, secondsColumn } from './wire.js';

/** @typedef {import('./shapes.js').DataReply} DataReply */
/** @typedef {Record<string, string | number | string[] | null | undefined>} Query */

/** What the server answered instead of data. */
export class ApiError extends Error {
  /**
   * @param {number} status of HTTP
   * @param {string} code
   * @param {string} message
   * @param {any} [details] of a lease that another holds: who and until when
   */
  constructor(status, code, message, details) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/**
 * @param {string} path such as `devices`
 * @param {Query} [query] null and undefined are left out, a list repeats its key
 */
export function apiUrl(path, query = {}) {
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) pairs.append(key, String(one));
    }
  }
  const text = pairs.toString();
  return `/api/v1/${path}${text ? `?${text}` : ''}`;
}

/**
 * @param {string} path
 * @param {Query} [query]
 * @param {RequestInit} [init]
 * @returns {Promise<any>} the decoded body; rejected with `ApiError`, or TypeError where there is no network
 */
export async function request(path, query = {}, init = {}) {
  const headers = { Accept: 'application/msgpack', ...init.headers };
  const response = await fetch(apiUrl(path, query), { ...init, headers });
  const body = await bodyOf(response);
  if (!response.ok) throw new ApiError(response.status, body.error?.code ?? '', body.error?.message ?? response.statusText, body.error?.details);
  return body;
}

/** A proxy before the server answers in its own way, when that is away. @param {Response} response @returns {Promise<any>} */
async function bodyOf(response) {
  if (response.headers.get('Content-Type')?.includes('msgpack')) return decode(await response.arrayBuffer());
  try {
    return await response.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ApiError(response.status, '', `the answer was not labmon’s, but ${response.status} ${response.statusText}`.trim());
  }
}

/**
 * @returns {Promise<import('./shapes.js').Device[]>}
 */
export async function fetchDevices() {
  return (await request('devices')).devices.map(withSeconds);
}

/**
 * A device's status, its times in seconds.
 * @template {import('./shapes.js').DeviceStatus} T
 * @param {T} status
 * @returns {T}
 */
export function withSeconds(status) {
  const error = status.last_error_time;
  return { ...status, since: seconds(status.since), last_error_time: error ? seconds(error) : null };
}

/**
 * The newest readings.
 * @param {string | string[]} path globs
 * @returns {Promise<{now: number, rows: import('./shapes.js').ReadingRow[]}>}
 */
export async function fetchLatest(path) {
  const { now, readings } = await request('latest', { path });
  return { now: seconds(now), rows: readings.map((/** @type {any} */ r) => [r.path, seconds(r.t), r.value, r.quality]) };
}

/**
 * Columns for a graph.
 * @param {{stream: string | string[], start: number | string, end: number | string, points?: number,
 *   granularity?: string, fields?: string}} query
 * @param {RequestInit} [init]
 * @returns {Promise<DataReply>}
 */
export async function fetchData(query, init) {
  const reply = await request('data', query, init);
  return {
    start: seconds(reply.start),
    end: seconds(reply.end),
    cursor: reply.cursor,
    streams: reply.streams.map(columnsOf),
  };
}

const NUMERIC = ['mean', 'min', 'max', 'count', 'std_dev', 'quality'];

/** @param {any} stream @returns {import('./shapes.js').Columns} */
function columnsOf(stream) {
  const columns = { ...stream, bucket_s: seconds(stream.bucket_s ?? 0), t: secondsColumn(stream.t) };
  for (const name of NUMERIC) if (stream[name]) columns[name] = numberColumn(stream[name]);
  if (stream.v && isNumeric(stream.v)) columns.v = numberColumn(stream.v);
  return columns;
}

/** @param {ArrayLike<any>} values */
function isNumeric(values) {
  return ArrayBuffer.isView(values) || Array.from(values).every((value) => value === null || typeof value === 'number');
}

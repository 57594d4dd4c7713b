// @ts-check
/** Records of commands as lines to read: what was called, by whom, what came of it. */

import { formatMoment } from './ages.js';

/**
 * @typedef {object} Audit the value of a reading of `DEVICE/_commands`
 * @property {string} command
 * @property {any[] | Record<string, any> | null} [params]
 * @property {string} [who]
 * @property {string} [role]
 * @property {string} [from]
 * @property {boolean} [ok]
 * @property {any} [result]
 * @property {string | {code?: number, message?: string} | null} [error]
 * @property {number} [duration_ms]
 */

/** `ramp_piezo(start=20, stop=80)` @param {Audit} audit */
export function callText({ command, params }) {
  const parts = Array.isArray(params)
    ? params.map(valueText)
    : Object.entries(params ?? {}).map(([name, value]) => `${name}=${valueText(value)}`);
  return `${command}(${parts.join(', ')})`;
}

/** @param {any} value */
export function valueText(value) {
  return typeof value === 'string' ? JSON.stringify(value) : JSON.stringify(value) ?? '';
}

/** Who, from where if that says more, and from whom a lease was taken. @param {Audit} audit */
export function whoText({ who = '', role = '', from = '', result }) {
  const name = who || role || 'somebody';
  const place = from && from !== who ? `${name} from ${from}` : name;
  return result?.taken_from ? `${place}, taken from ${result.taken_from}` : place;
}

/** @param {Audit} audit */
export function errorText({ error }) {
  if (typeof error === 'string') return error;
  return error?.message ?? 'failed';
}

/** `12 ms`, `1.8 s`, `3 min` @param {number | undefined} duration_ms */
export function durationText(duration_ms) {
  if (duration_ms === undefined || !Number.isFinite(duration_ms)) return '';
  if (duration_ms < 1) return '< 1 ms';
  if (duration_ms < 1000) return `${Math.round(duration_ms)} ms`;
  if (duration_ms < 120_000) return `${(duration_ms / 1000).toFixed(1)} s`;
  return `${Math.round(duration_ms / 60_000)} min`;
}

/** @param {import('./shapes.js').Lease} lease @param {number} now */
export function leasedText({ owner, until }, now) {
  return `${owner} holds the lease until ${formatMoment(until, now)}: wait, or take it over at the top`;
}

/**
 * What went wrong with a call, in one sentence a person can act on.
 *
 * @param {{code: number, message: string, data?: any}} error of the connection
 * @param {number} now Unix seconds by the server's clock
 */
export function failureText({ code, message, data }, now) {
  if (code === -32005 && data?.owner) return leasedText(data, now);
  /** @type {Record<number, string>} */
  const leads = {
    [-32001]: 'The instrument reports an error', [-32002]: 'The instrument is offline',
    [-32003]: 'No answer in time, the command may have happened', [-32004]: 'Not permitted',
    [-32005]: 'Somebody else holds the lease', [-32006]: 'Out of limits', [-32602]: 'Not accepted',
    [-32603]: 'A bug, of labmon or of the driver',
  };
  const lead = leads[code];
  return lead && message ? `${lead}: ${message}` : lead ?? message;
}

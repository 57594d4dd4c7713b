// @ts-check
/** What the pages say of a device's lease: who may command it alone, and until when. Pure. */

import { formatMoment } from './ages.js';
import { roleObstacle } from './roles.js';

/** @typedef {import('./shapes.js').Lease} Lease */
/** @typedef {import('./connection.js').Status} Status */
/**
 * @typedef {object} LeaseFace
 * @property {'unknown' | 'free' | 'own' | 'others'} state
 * @property {string} fact
 * @property {string} note
 */

/**
 * Everybody at the server's machine has one name and so the same leases: it stands beside one's own.
 *
 * @param {Lease | null | undefined} lease undefined: nobody has said yet
 * @param {Status} status
 * @param {number} now Unix seconds by the server's clock
 * @returns {LeaseFace}
 */
export function leaseFace(lease, { phase, who }, now) {
  if (phase !== 'live' || lease === undefined) {
    return { state: 'unknown', fact: 'Lease not known', note: phase === 'live' ? '' : 'while there is no connection' };
  }
  if (lease === null) return { state: 'free', fact: 'Nobody holds the lease', note: '' };
  const until = `until ${formatMoment(lease.until, now)}`;
  return lease.owner === who
    ? { state: 'own', fact: 'You hold the lease', note: `as ${who}, ${until}` }
    : { state: 'others', fact: `${lease.owner} holds the lease`, note: until };
}

/**
 * In few words, for lists; empty where nobody holds it, or it is not known.
 *
 * @param {Lease | null | undefined} lease @param {Status} status @param {number} now
 */
export function leaseWords(lease, status, now) {
  const { state, note } = leaseFace(lease, status, now);
  if (state === 'own') return `Held by you, ${note}`;
  return state === 'others' ? `Held by ${lease?.owner} ${note}` : '';
}

/**
 * Why somebody cannot command a device that another holds, and what to do; empty where he can.
 *
 * @param {Lease | null | undefined} lease @param {Status} status @param {number} now
 */
export function leaseObstacle(lease, status, now) {
  const { state, fact, note } = leaseFace(lease, status, now);
  return state === 'others' ? `${fact} ${note}: ${roleObstacle(status) ? 'wait' : 'wait, or take it over at the top'}` : '';
}

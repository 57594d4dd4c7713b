// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaseFace, leaseObstacle, leaseWords } from '../../static/js/lease_face.js';

const NOON = new Date(2026, 10, 22, 12).getTime() / 1000;
/** @type {any} */
const LIVE = { phase: 'live', who: 'ann', role: 'operator' };
const ANNS = { owner: 'ann', until: NOON + 600 };
const BOBS = { owner: 'bob', until: NOON + 61 };

test('it says who holds a lease and until when, and as whom one holds one’s own', () => {
  assert.deepEqual(leaseFace(BOBS, LIVE, NOON), { state: 'others', fact: 'bob holds the lease', note: 'until 12:01:01' });
  assert.deepEqual(leaseFace(ANNS, LIVE, NOON), { state: 'own', fact: 'You hold the lease', note: 'as ann, until 12:10:00' });
  assert.equal(leaseFace(null, LIVE, NOON).state, 'free');
  assert.equal(leaseWords(BOBS, LIVE, NOON), 'Held by bob until 12:01:01');
  assert.equal(leaseWords(ANNS, LIVE, NOON), 'Held by you, as ann, until 12:10:00');
  assert.equal(leaseWords(null, LIVE, NOON), '');
});

test('without a connection, or before anybody has said it, nothing is known of a lease', () => {
  for (const phase of ['lost', 'connecting']) {
    assert.equal(leaseFace(BOBS, { ...LIVE, phase }, NOON).fact, 'Lease not known');
    assert.equal(leaseWords(BOBS, { ...LIVE, phase }, NOON), '');
  }
  assert.equal(leaseFace(undefined, LIVE, NOON).state, 'unknown');
});

test('who cannot command now is told by whom, until when, and what to do', () => {
  assert.equal(leaseObstacle(BOBS, LIVE, NOON), 'bob holds the lease until 12:01:01: wait, or take it over at the top');
  assert.equal(leaseObstacle(BOBS, { ...LIVE, role: 'viewer' }, NOON), 'bob holds the lease until 12:01:01: wait');
  assert.equal(leaseObstacle(ANNS, LIVE, NOON), '');
  assert.equal(leaseObstacle(null, LIVE, NOON), '');
});

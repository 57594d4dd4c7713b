// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelState, deviceState, isSimulated, ORDER, periodOf, qualityState, staleAfter, STATES } from '../../static/js/states.js';

const NOW = 1_795_356_247;
/** @param {number} age @param {number} [quality] @param {any} [value] */
const reading = (age, quality = 0, value = 1.5) => ({ t: NOW - age, value, quality });

test('the code of a quality byte is its lower half, simulated a flag of the upper', () => {
  assert.equal(qualityState(0x12), 'over_range');
  assert.equal(qualityState(0x0f), 'fault', 'a code of the future is no value to trust');
  assert.ok(isSimulated(0x10) && !isSimulated(0x2f));
});

test('a value is stale after three periods, but never before two seconds', () => {
  assert.equal(staleAfter(1), 3);
  assert.equal(staleAfter(0.1), 2);
  assert.equal(staleAfter(null), Infinity);
  assert.equal(channelState({ reading: reading(2.9), device: 'online', period_s: 1 }, NOW), 'ok');
  assert.equal(channelState({ reading: reading(3.1), device: 'online', period_s: 1 }, NOW), 'stale');
});

test('of several states the worst is shown', () => {
  assert.equal(channelState({ reading: reading(60), device: 'offline', period_s: 1 }, NOW), 'offline');
  assert.equal(channelState({ reading: reading(60, 5, null), device: 'online', period_s: 1 }, NOW), 'fault');
  assert.equal(channelState({ reading: reading(60, 1, null), device: 'online', period_s: 1 }, NOW), 'stale');
  assert.equal(channelState({ reading: reading(0, 4), device: 'online', period_s: 1 }, NOW), 'limit');
});

test('what never came and what is null is no value', () => {
  assert.equal(channelState({ reading: null, device: 'online', period_s: 1 }, NOW), 'no_value');
  assert.equal(channelState({ reading: reading(0, 0, null), device: 'online', period_s: 1 }, NOW), 'no_value');
  assert.equal(channelState({ reading: reading(60, 0, null), device: 'online', period_s: 1 }, NOW), 'no_value', 'it does not become older');
  assert.equal(channelState({ reading: reading(0, 0, Infinity), device: 'online', period_s: 1 }, NOW), 'no_value');
});

test('every state of a device has a word and a shape', () => {
  for (const state of /** @type {const} */ (['online', 'offline', 'connecting', 'stuck', 'disabled'])) assert.ok(STATES[deviceState(state)].word);
  for (const state of ORDER) assert.ok(STATES[state].icon);
});

test('a channel that is read less often than its device is stale later, a setpoint never', () => {
  assert.equal(periodOf({}, { period_s: 2 }), 2);
  assert.equal(periodOf({ period_s: 10 }, { period_s: 2 }), 10);
  const period_s = periodOf({ period_s: null }, { period_s: 2 });
  assert.equal(channelState({ reading: reading(86_400), device: 'online', period_s }, NOW), 'ok');
});

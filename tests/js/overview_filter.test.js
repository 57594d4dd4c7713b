// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardsOf, countStates, groupsOf } from '../../static/js/overview_filter.js';

/** @param {string} name @param {string} group @param {string[]} channels @returns {any} */
const device = (name, group, channels) => ({
  name, title: name.toUpperCase(), group, model: '', channels: channels.map((channel) => ({ name: channel, tile: channel !== 'exposure', path: `${name}/${channel}`, label: channel, description: '' })),
});
const devices = [device('wavemeter', 'Laser table', ['ch1', 'ch2', 'exposure']), device('gauge', 'Vacuum', ['chamber'])];

/** @param {{group: string, search: string}} filter */
const shown = (filter) => cardsOf(devices, filter).flatMap(({ channels }) => channels.map(({ path }) => path));

test('channels without a tile are not shown', () => {
  assert.deepEqual(shown({ group: '', search: '' }), ['wavemeter/ch1', 'wavemeter/ch2', 'gauge/chamber']);
});

test('groups and words narrow the choice', () => {
  assert.deepEqual(shown({ group: 'Vacuum', search: '' }), ['gauge/chamber']);
  assert.deepEqual(shown({ group: '', search: 'laser CH2' }), ['wavemeter/ch2']);
  assert.deepEqual(shown({ group: 'Vacuum', search: 'ch1' }), []);
  assert.deepEqual(groupsOf(devices), [['Laser table', 1], ['Vacuum', 1]]);
});

test('the worst states are counted first', () => {
  assert.deepEqual(countStates(['ok', 'stale', 'ok', 'fault']), [['fault', 1], ['stale', 1], ['ok', 2]]);
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestColumns, wallNames } from '../../static/js/wall_grid.js';

const SCREEN = { width: 1920, height: 1000 };

test('the wall has as many columns as make the digits largest', () => {
  assert.equal(bestColumns({ ...SCREEN, tiles: 8, aspect: 8 }), 2);
  assert.equal(bestColumns({ ...SCREEN, tiles: 1, aspect: 8 }), 1);
  assert.equal(bestColumns({ ...SCREEN, tiles: 24, aspect: 8 }), 3);
  assert.equal(bestColumns({ ...SCREEN, tiles: 40, aspect: 4 }), 6);
  assert.equal(bestColumns({ ...SCREEN, tiles: 104, aspect: 8.5 }), 7, 'a hundred tiles can still be read');
});

test('a tile says whose it is where two channels are called the same', () => {
  /** @param {string} title @param {string[]} labels @returns {any} */
  const card = (title, labels) => ({ device: { title }, channels: labels.map((label) => ({ label, name: 'x' })) });
  assert.deepEqual(wallNames([card('Chiller 1', ['Supply', 'Flow']), card('Chiller 2', ['Supply', ''])]), [
    { name: 'Supply', of: 'Chiller 1' }, { name: 'Flow', of: '' }, { name: 'Supply', of: 'Chiller 2' }, { name: 'x', of: '' },
  ]);
});

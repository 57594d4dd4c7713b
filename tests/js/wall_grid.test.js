// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestColumns } from '../../static/js/wall_grid.js';

const SCREEN = { width: 1920, height: 1000 };

test('the wall has as many columns as make the digits largest', () => {
  assert.equal(bestColumns({ ...SCREEN, tiles: 8, aspect: 8 }), 2);
  assert.equal(bestColumns({ ...SCREEN, tiles: 1, aspect: 8 }), 1);
  assert.equal(bestColumns({ ...SCREEN, tiles: 24, aspect: 8 }), 3);
  assert.equal(bestColumns({ ...SCREEN, tiles: 40, aspect: 4 }), 4);
});

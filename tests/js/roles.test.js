// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { roleObstacle } from '../../static/js/roles.js';

/** @param {string} role @returns {any} */
const known = (role) => ({ phase: 'live', who: 'ann', role });

test('who may not is told whom it takes and what he is', () => {
  assert.equal(roleObstacle(known('viewer')), 'Only an operator may: you are a viewer here');
  assert.equal(roleObstacle(known('operator'), 'admin'), 'Only an admin may: you are an operator here');
});

test('who has the role, or a higher one, meets no obstacle', () => {
  for (const role of ['operator', 'admin']) assert.equal(roleObstacle(known(role)), '');
  assert.equal(roleObstacle(known('viewer'), 'viewer'), '');
  assert.equal(roleObstacle(known('admin'), 'admin'), '');
});

test('while nobody has said as whom the page is known, it says nothing', () => {
  assert.equal(roleObstacle(known('')), '');
  for (const phase of ['lost', 'connecting']) assert.equal(roleObstacle({ ...known('viewer'), phase }), '');
});

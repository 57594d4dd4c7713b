// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { refusalText } from '../../static/js/refusal.js';

test('who is sent to a login, or must log in, is no longer signed in', () => {
  assert.equal(refusalText({ status: 0, code: '', message: '' }), 'you are no longer signed in');
  assert.equal(refusalText({ status: 401, code: '', message: 'the answer was not labmon’s' }), 'you are no longer signed in');
});

test('a refusal of labmon is told in its words, that of a proxy in ours', () => {
  assert.equal(refusalText({ status: 403, code: 'forbidden', message: 'nobody but this machine may' }), 'nobody but this machine may');
  assert.equal(refusalText({ status: 403, code: '', message: 'the answer was not labmon’s' }), 'this page is no longer let in');
});

test('a server that is only busy, or starting behind a proxy, refuses nobody', () => {
  for (const status of [429, 502, 503]) assert.equal(refusalText({ status, code: '', message: '' }), '');
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bannerWords } from '../../static/js/store_banner.js';

test('a store that is well says nothing', () => {
  assert.equal(bannerWords({ ready: true, reasons: [], warnings: [] }), null);
});

test('a store that takes nothing says why, and that live goes on', () => {
  const said = bannerWords({ ready: false, reasons: ['the store does not take readings: disk is full'], warnings: ['other'] });
  assert.equal(said?.title, 'Nothing is recorded now.');
  assert.equal(said?.text, 'The store does not take readings: disk is full. Live values go on.');
});

test('past damage is told in sentences while recording goes on', () => {
  const said = bannerWords({ ready: true, reasons: [], warnings: ['a damaged database was set aside', '2 blocks are damaged'] });
  assert.match(said?.title ?? '', /recording goes on/);
  assert.equal(said?.text, 'A damaged database was set aside. 2 blocks are damaged.');
});

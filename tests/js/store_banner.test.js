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

test('a stream that the store refuses is named, with the reason of the first', () => {
  const refused_streams = { 'gauge/chamber': 'gauge/chamber exists and differs: use another stream.' };
  const one = bannerWords({ ready: true, reasons: [], warnings: [], refused_streams });
  assert.equal(one?.title, 'Not all readings of gauge/chamber are recorded.');
  assert.equal(one?.text, 'gauge/chamber exists and differs: use another stream.');
  const two = bannerWords({ ready: true, reasons: [], warnings: [], refused_streams: { ...refused_streams, 'gauge/foreline': 'so does this' } });
  assert.equal(two?.title, 'Not all readings of gauge/chamber and 1 more are recorded.');
});

test('past damage is told in sentences while recording goes on', () => {
  const said = bannerWords({ ready: true, reasons: [], warnings: ['a damaged database was set aside', '2 blocks are damaged'] });
  assert.match(said?.title ?? '', /recording goes on/);
  assert.equal(said?.text, 'A damaged database was set aside. 2 blocks are damaged.');
});

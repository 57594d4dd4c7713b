// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeCards } from '../../static/js/card_layout.js';

/** @param {...(number | string)} cards tiles; `2s` short ones */
const spans = (...cards) => placeCards(cards.map((card) => ({ tiles: parseInt(String(card), 10), isShort: String(card).endsWith('s') })))
  .map(({ span, isCompact }) => `${span}${isCompact ? 'c' : ''}`).join(' ');

test('a card is as wide as its tiles', () => {
  assert.equal(spans(8, 2, 2, 1, 1, 1, 1), '8 4 4 2 2 2 2');
});

test('two short values make room for a single one', () => {
  assert.equal(spans(8, 2, 2, 2, '2s', 1), '8 4 4 4 2c 2');
});

test('no row is left with a hole', () => {
  assert.equal(spans(2), '8');
  assert.equal(spans(8, 2, 8), '8 8 8');
  assert.equal(spans(2, 1, 8), '4 4 8');
  assert.equal(spans(1, 1, 1), '2 2 4');
});

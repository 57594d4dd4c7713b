// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatClock, formatMoment, formatUtc } from '../../static/js/ages.js';

test('an age has one unit', () => {
  const ages = /** @type {[number, string][]} */ ([
    [-0.3, '0.1 s'], [0.04, '0.1 s'], [2.14, '2.1 s'], [9.97, '10 s'], [48.4, '48 s'], [59.9, '59 s'],
    [60, '1 min'], [750, '12 min'], [3599, '59 min'], [3 * 3600, '3 h'], [47 * 3600, '47 h'], [4.5 * 86400, '4 d'],
  ]);
  for (const [age, words] of ages) assert.equal(formatAge(age), words);
});

test('clock times have 24 hours and seconds, UTC says so', () => {
  assert.match(formatClock(1795356247), /^\d\d:\d\d:\d\d$/);
  assert.equal(formatUtc(1795356247), '2026-11-22 14:04:07 UTC');
});

test('a moment of another day says which', () => {
  const noon = new Date(2026, 10, 22, 12).getTime() / 1000;
  assert.equal(formatMoment(noon, noon + 60), '12:00:00');
  assert.equal(formatMoment(noon, noon + 3 * 86400), '22 Nov 12:00');
  assert.equal(formatMoment(noon, noon + 200 * 86400), '22 Nov 2026 12:00');
});

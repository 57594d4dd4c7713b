// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesFace, countText, MINUS, MISSING, numberFace, numberText, rateText, significantText } from '../../static/js/numbers.js';

/** Runs as one line: `|` a drawn gap, `(...)` pale. @param {number} value @param {any} format */
function drawn(value, format) {
  const { runs, exponent } = numberFace(value, format);
  const text = runs.map(({ text: t, gap, low }) => `${gap ? '|' : ''}${low ? `(${t})` : t}`).join('');
  return exponent === null ? text : `${text}e${exponent}`;
}

test('digits come from the channel: trailing zeros stay', () => {
  assert.equal(drawn(18.5, { digits: 2 }), '18.50');
  assert.equal(drawn(812, { digits: 0 }), '812');
});

test('from five decimals on they stand in groups of three', () => {
  assert.equal(drawn(384.230484468, { digits: 9 }), '384.230|484|468');
  assert.equal(drawn(1.2345, { digits: 4 }), '1.2345');
  assert.equal(drawn(1.23456, { digits: 5 }), '1.234|56');
});

test('from five digits before the point on they stand in groups, too', () => {
  assert.equal(drawn(-12345.67, { digits: 2 }), `${MINUS}12|345.67`);
  assert.equal(drawn(1013.25, { digits: 2 }), '1013.25');
});

test('digits below the accuracy are pale', () => {
  assert.equal(drawn(384.230484468, { digits: 9, accuracy: 2e-6 }), '384.230|484|(468)');
  assert.equal(drawn(384.230484468, { digits: 9, accuracy: 1e-5 }), '384.230|48(4)|(468)');
  assert.equal(drawn(2.3123e-9, { digits: 4, scientific: true, accuracy: 1e-11 }), `2.31(23)e${MINUS}9`);
  assert.equal(drawn(1234, { digits: 1, accuracy: 10 }), '123(4.0)');
});

test('scientific where the channel says so, or where a row of digits says nothing', () => {
  assert.equal(drawn(2.31e-9, { digits: 2, scientific: true }), `2.31e${MINUS}9`);
  assert.equal(drawn(3.2e12, { digits: 5 }), '3.200|00e12');
});

test('a large count keeps some digits, also where the channel has none after the point', () => {
  assert.equal(drawn(123456789, { digits: 0 }), '123|456|789');
  assert.equal(drawn(1234567890, { digits: 0 }), '1.2346e9');
});

test('the plain number is what other programs read', () => {
  assert.equal(numberFace(384.230484468, { digits: 9 }).plain, '384.230484468');
  assert.equal(numberFace(-2.31e-9, { digits: 2, scientific: true }).plain, '-2.31e-9');
  assert.equal(numberFace(5e3, { digits: 1, scientific: true }).plain, '5.0e3');
});

test('there is no minus nought', () => {
  assert.equal(drawn(-0, { digits: 2 }), '0.00');
  assert.equal(numberFace(-0, { digits: 2 }).plain, '0.00');
});

test('what is not zero is never written as zero: it gets the digits that it takes', () => {
  assert.equal(drawn(0.004, { digits: 2 }), '0.004');
  assert.equal(drawn(-0.0049, { digits: 2 }), `${MINUS}0.005`);
  assert.equal(drawn(0.3, { digits: 0 }), '0.3');
  assert.equal(drawn(0.0096, { digits: 1 }), '0.010');
  assert.equal(drawn(0.005, { digits: 2 }), '0.01', 'the channel’s digits are enough');
  assert.equal(drawn(0, { digits: 2 }), '0.00');
});

test('under a thousandth it gets an exponent, and no more digits than fit', () => {
  assert.equal(drawn(2.3e-9, { digits: 2 }), `2.30e${MINUS}9`);
  assert.equal(drawn(2.3e-9, { digits: 0 }), `2.3e${MINUS}9`);
  assert.equal(drawn(-4.6e-4, { digits: 3 }), `${MINUS}4.60e${MINUS}4`);
  assert.equal(drawn(1.23456789e-12, { digits: 9 }), `1.23e${MINUS}12`);
  assert.equal(drawn(5e-324, { digits: 2 }), `4.94e${MINUS}324`);
  assert.equal(numberFace(2.3e-9, { digits: 2 }).plain, '2.30e-9');
  assert.equal(numberText(2.3e-9, { digits: 2 }), '2.30 × 10⁻⁹');
  assert.equal(drawn(2.3e-9, { digits: 2, accuracy: 1e-10 }), `2.3(0)e${MINUS}9`);
});

test('in one line of text', () => {
  assert.equal(numberText(2.31e-9, { digits: 2, scientific: true }), '2.31 × 10⁻⁹');
  assert.equal(numberText(-1.358, { digits: 2 }), `${MINUS}1.36`);
  assert.equal(numberText(null, { digits: 2 }), MISSING);
  assert.equal(numberText(NaN, { digits: 2 }), MISSING);
});

test('counts group by thousands', () => {
  assert.equal(countText(1800), '1\u202f800');
  assert.equal(countText(3255614), '3\u202f255\u202f614');
  assert.equal(countText(96), '96');
});

test('to so many significant digits', () => {
  assert.equal(significantText(0.1234, 2), '0.12');
  assert.equal(significantText(24.1, 2), '24');
  assert.equal(significantText(999.6, 2), '1000');
  assert.equal(significantText(0, 2), '0');
  assert.equal(significantText(2.34e-9, 2), '2.3 × 10⁻⁹');
});

test('a rate is told in Hz or kHz', () => {
  assert.deepEqual([0.0166, 0.5, 10.02, 999.9, 10_004].map(rateText), ['0.02 Hz', '0.5 Hz', '10.0 Hz', '999.9 Hz', '10.0 kHz']);
});

test('bytes have three digits and a unit', () => {
  const text = (/** @type {number} */ count) => Object.values(bytesFace(count)).join(' ');
  assert.deepEqual([0, 7, 999, 1000, 1234, 12_345, 999_600, 4_567_000_000].map(text), ['0 B', '7 B', '999 B', '1.00 kB', '1.23 kB', '12.3 kB', '1.00 MB', '4.57 GB']);
});

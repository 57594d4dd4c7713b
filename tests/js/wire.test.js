// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, decodeColumn, encode, numberColumn, seconds, secondsColumn } from '../../static/js/wire.js';

/** @param {string} code @param {ArrayBufferView} data */
const column = (code, data) => Uint8Array.from([code.charCodeAt(0), ...new Uint8Array(data.buffer)]);

test('columns are a dtype code and little-endian data', () => {
  assert.deepEqual(decodeColumn(column('d', Float64Array.of(1.5, NaN))), Float64Array.of(1.5, NaN));
  assert.deepEqual(decodeColumn(column('q', BigInt64Array.of(5n, -1n))), Float64Array.of(5, -1));
  assert.deepEqual(decodeColumn(column('B', Uint8Array.of(0, 17))), Uint8Array.of(0, 17));
  assert.throws(() => decodeColumn(column('x', Uint8Array.of(0))), /unknown type "x"/);
});

test('extension type 1 is a column, wherever it stands in the message', () => {
  const data = column('d', Float64Array.of(2));
  // fixmap of one, key "v", ext 8 of 9 bytes, type 1
  const message = Uint8Array.from([0x81, 0xa1, 0x76, 0xc7, data.length, 1, ...data]);
  assert.deepEqual(decode(message), { v: Float64Array.of(2) });
});

test('messages survive the way there and back', () => {
  const message = { type: 'subscribe', id: 1, streams: ['**'], after: 'node.1.5' };
  assert.deepEqual(decode(encode(message)), message);
});

test('times are seconds, in whatever unit they came', () => {
  assert.equal(seconds(1_795_356_247.25), 1_795_356_247.25);
  assert.ok(Math.abs(seconds(1_795_356_247_250_000_000) - 1_795_356_247.25) < 1e-6);
  assert.deepEqual(secondsColumn(Float64Array.of(1.5e18, 2e18)), Float64Array.of(1.5e9, 2e9));
});

test('null in a JSON column is NaN', () => {
  assert.deepEqual(numberColumn([1, null, 3]), Float64Array.of(1, NaN, 3));
});

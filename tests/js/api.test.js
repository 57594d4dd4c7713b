// @ts-check
import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { apiUrl, fetchData, fetchLatest, request } from '../../static/js/api.js';

afterEach(() => mock.restoreAll());

/** @param {unknown} body @param {number} [status] */
const answer = (body, status = 200) => mock.method(globalThis, 'fetch', async () => new Response(JSON.stringify(body), {
  status, headers: { 'Content-Type': 'application/json' },
}));

test('a list repeats its key, what is not given is left out', () => {
  assert.equal(apiUrl('data', { stream: ['a/b', 'c d/e'], points: 5, fields: null }), '/api/v1/data?stream=a%2Fb&stream=c+d%2Fe&points=5');
  assert.equal(apiUrl('devices'), '/api/v1/devices');
});

test('columns come as arrays of numbers, whatever the format', async () => {
  answer({
    start: 1, end: 2, cursor: 'c', streams: [
      { path: 'a/b', unit: 'V', granularity: 'seconds', bucket_s: 1, t: [1, 2], mean: [1.5, null], min: [1, null], max: [2, null] },
      { path: 'a/_state', unit: '', granularity: 'raw', bucket_s: 0, t: [1], v: [{ state: 'online' }], quality: [0] },
    ],
  });
  const { streams: [numeric, nominal] } = await fetchData({ stream: ['a/**'], start: 1, end: 2 });
  assert.deepEqual(numeric.mean, Float64Array.of(1.5, NaN));
  assert.deepEqual(nominal.v, [{ state: 'online' }]);
});

test('the newest readings come as rows', async () => {
  answer({ now: 10, cursor: 'c', readings: [{ path: 'a/b', t: 9, value: 1, quality: 16, unit: 'V' }] });
  assert.deepEqual(await fetchLatest('**'), { now: 10, rows: [['a/b', 9, 1, 16]] });
});

test('what the server says was wrong reaches the page', async () => {
  answer({ error: { code: 'too_large', message: 'at most 500000 points' } }, 413);
  await assert.rejects(request('data'), { name: 'ApiError', status: 413, code: 'too_large', message: 'at most 500000 points' });
});

test('what a proxy answers in place of the server is told as that', async () => {
  const page = new Response('<html>', { status: 502, statusText: 'Bad Gateway', headers: { 'Content-Type': 'text/html' } });
  mock.method(globalThis, 'fetch', async () => page);
  await assert.rejects(request('devices'), { name: 'ApiError', status: 502, message: 'the answer was not labmon’s, but 502 Bad Gateway' });
});

// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { notOftener, pollEvery } from '../../static/js/polling.js';

/** @type {(() => void)[]} */
let answers;
const ask = () => new Promise((/** @type {(value: void) => void} */ resolve) => answers.push(resolve));
const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  answers = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  /** @type {any} */ (globalThis).document = { hidden: false };
});

test('a slow server is not asked again while its answer is out', async () => {
  const polling = pollEvery(ask, 1000);
  mock.timers.tick(5000);
  assert.equal(answers.length, 1);
  answers[0]();
  await settled();
  mock.timers.tick(1000);
  assert.equal(answers.length, 2);
  polling.stop();
});

test('what is wanted anew comes behind the answer that is out, once', async () => {
  const polling = pollEvery(ask, 1000);
  polling.askAnew();
  polling.askAnew();
  assert.equal(answers.length, 1);
  answers[0]();
  await settled();
  assert.equal(answers.length, 2);
  answers[1]();
  await settled();
  assert.equal(answers.length, 2);
  polling.askAnew();
  assert.equal(answers.length, 3);
  polling.stop();
});

test('nobody is asked for a page that is not seen, nor after the end', async () => {
  const polling = pollEvery(ask, 1000);
  answers[0]();
  await settled();
  /** @type {any} */ (document).hidden = true;
  mock.timers.tick(3000);
  assert.equal(answers.length, 1);
  /** @type {any} */ (document).hidden = false;
  mock.timers.tick(1000);
  polling.askAnew();
  polling.stop();
  answers[1]();
  await settled();
  mock.timers.tick(3000);
  assert.equal(answers.length, 2);
});

test('what is asked for again and again is asked at once and then in steps, the last time always', () => {
  let asked = 0;
  const patient = notOftener(() => { asked += 1; }, 10_000);
  patient.ask();
  assert.equal(asked, 1);
  for (let i = 0; i < 5; i++) patient.ask();
  mock.timers.tick(9_999);
  assert.equal(asked, 1);
  mock.timers.tick(1);
  assert.equal(asked, 2);
  mock.timers.tick(60_000);
  assert.equal(asked, 2, 'nobody wanted more');
  patient.ask();
  patient.ask();
  assert.equal(asked, 3, 'at once again');
  patient.stop();
  mock.timers.tick(60_000);
  assert.equal(asked, 3);
});

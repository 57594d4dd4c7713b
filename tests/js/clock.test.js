// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../static/js/clock.js';

test('the message with the least delay tells the time', () => {
  let local = 1000;
  const clock = new ServerClock(() => local);
  clock.observe(5000 - 0.3); // 300 ms on the way
  local += 1;
  clock.observe(5001 - 0.02);
  local += 1;
  clock.observe(5002 - 0.8);
  assert.ok(Math.abs(clock.now() - (5002 - 0.02)) < 1e-9);
});

test('an old observation is forgotten, so a step of a clock heals', () => {
  let local = 1000;
  const clock = new ServerClock(() => local);
  clock.observe(5000);
  local += 3600; // the viewer's clock was set
  clock.observe(5001);
  local += 31;
  clock.observe(5032);
  assert.equal(clock.now(), 5032);
});

test('without a message it is the viewer’s own clock', () => {
  assert.equal(new ServerClock(() => 7).now(), 7);
});

// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrawQueue } from '../../static/js/frames.js';

test('a frame draws as much as fits, the next one goes on', () => {
  /** @type {(() => void)[]} */
  const frames = [];
  let clock = 0;
  const queue = new DrawQueue((frame) => frames.push(frame), () => clock);
  /** @type {number[]} */
  const drawn = [];
  const draws = [0, 1, 2, 3, 4].map((i) => () => {
    drawn.push(i);
    clock += 3; // milliseconds
  });
  draws.forEach((draw) => queue.ask(draw));
  queue.ask(draws[0]); // asked twice, drawn once
  queue.forget(draws[3]);
  assert.equal(frames.length, 1);
  frames.shift()?.();
  assert.deepEqual(drawn, [0, 1]);
  frames.shift()?.();
  assert.deepEqual(drawn, [0, 1, 2, 4]);
  assert.equal(frames.length, 0);
});

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

test('what a drawing asks for comes behind all the others, in the same frame where there is time', () => {
  /** @type {(() => void)[]} */
  const frames = [];
  const queue = new DrawQueue((frame) => frames.push(frame), () => 0);
  /** @type {string[]} */
  const drawn = [];
  for (const name of ['a', 'b']) {
    const measure = () => drawn.push(`measure ${name}`);
    queue.ask(() => {
      drawn.push(`draw ${name}`);
      queue.ask(measure);
    });
  }
  frames.shift()?.();
  assert.deepEqual(drawn, ['draw a', 'draw b', 'measure a', 'measure b']);
  queue.ask(() => queue.ask(() => drawn.push('alone')));
  frames.shift()?.();
  assert.equal(drawn.at(-1), 'alone');
  assert.equal(frames.length, 0, 'and no frame for nothing');
});

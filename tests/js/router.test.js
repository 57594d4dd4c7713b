// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { match, route } from '../../static/js/router.js';

const loader = async () => ({ default: () => null });
route('/', loader);
route('/devices', loader);
route('/devices/:name', loader);

/** @param {string} address */
const at = (address) => match(new URL(address, 'http://lab'));

test('a pattern names the parts of an address', () => {
  assert.deepEqual(at('/devices/laser%20780?tab=1')?.location.params, { name: 'laser 780' });
  assert.deepEqual(at('/devices/50%25%')?.location.params, { name: '50%25%' }, 'no valid escape');
  assert.equal(at('/devices/x?tab=1')?.location.query.get('tab'), '1');
  assert.deepEqual(at('/devices')?.location.params, {});
});

test('a slash at the end is the same page', () => {
  assert.equal(at('/devices/')?.location.path, '/devices/');
  assert.ok(at('/'));
});

test('an address of nobody has no page', () => {
  assert.equal(at('/devices/a/b'), null);
  assert.equal(at('/nothing'), null);
});

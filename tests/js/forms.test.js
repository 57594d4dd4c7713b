// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callText, durationText, errorText, failureText, valueText, whoText } from '../../static/js/command_log.js';
import { fieldsOf, hintOf, initialText, labelOf, obstacleTo, parseField, parseForm } from '../../static/js/forms.js';

const NOON = new Date(2026, 10, 22, 12).getTime() / 1000;

const SCHEMA = {
  type: 'object',
  properties: {
    start: { type: 'number', minimum: 0, maximum: 140, unit: 'V' },
    channel: { type: 'integer', minimum: 1, maximum: 8, default: 1 },
    shape: { type: 'string', enum: ['triangle', 'saw'], default: 'triangle' },
    active: { type: 'boolean', default: true },
    comment: { type: ['string', 'null'], default: null, maxLength: 5 },
    delay: { type: 'number', exclusiveMinimum: 0, unit: 's', default: 0.5 },
    points: { type: 'array', items: { type: 'number' } },
  },
  required: ['start', 'points'],
};
const fields = Object.fromEntries(fieldsOf(SCHEMA).map((field) => [field.name, field]));

test('fields know their kind, unit and limits', () => {
  assert.deepEqual(Object.values(fields).map(({ kind }) => kind), ['number', 'integer', 'choice', 'boolean', 'text', 'number', 'json']);
  assert.deepEqual(Object.values(fields).map(hintOf), ['0 to 140 V', '1 to 8', 'optional', 'optional', 'optional', 'above 0 s', 'JSON']);
  assert.deepEqual(Object.values(fields).map(initialText), ['', '1', '"triangle"', 'true', '', '0.5', '']);
  assert.equal(labelOf('exposure_ms'), 'Exposure ms');
  assert.deepEqual(fieldsOf({ type: 'object' }), []);
});

test('numbers are checked against their limits, in words', () => {
  assert.deepEqual(parseField(fields.start, '152.0'), { message: 'at most 140 V' });
  assert.deepEqual(parseField(fields.start, '−1'), { message: 'at least 0 V' });
  assert.deepEqual(parseField(fields.start, ' 20,5 '), { value: 20.5 });
  assert.deepEqual(parseField(fields.start, '1e2'), { value: 100 });
  assert.deepEqual(parseField(fields.delay, '0'), { message: 'above 0 s' });
});

test('what is no number never becomes one', () => {
  for (const text of ['5 V', '0x10', 'NaN', 'Infinity', '1e999', '--1', '1.2.3', 'true']) assert.ok('message' in parseField(fields.start, text), text);
  assert.deepEqual(parseField(fields.start, ''), { message: 'must be filled in' });
  assert.deepEqual(parseField(fields.channel, '1.5'), { message: 'must be a whole number' });
  assert.deepEqual(parseField(fields.channel, '3.0'), { value: 3 });
});

test('empty optional fields are left out, text keeps its spaces', () => {
  assert.deepEqual(parseField(fields.channel, ' '), { omitted: true });
  assert.deepEqual(parseField(fields.comment, ' ab'), { value: ' ab' });
  assert.deepEqual(parseField(fields.comment, 'abcdef'), { message: 'at most 5 characters' });
  assert.deepEqual(parseField(fields.shape, '"saw"'), { value: 'saw' });
  assert.deepEqual(parseField(fields.shape, '"sine"'), { message: 'choose one' });
  assert.deepEqual(parseField(fields.points, '[1, 2]'), { value: [1, 2] });
  assert.ok('message' in parseField(fields.points, '[1, 2'));
});

test('a switch without a default is not off, it is not chosen', () => {
  const [active] = fieldsOf({ properties: { active: { type: 'boolean' } }, required: ['active'] });
  assert.equal(initialText(active), '');
  assert.deepEqual(parseField(active, ''), { message: 'choose one' });
  assert.deepEqual([parseField(active, 'true'), parseField(active, 'false')], [{ value: true }, { value: false }]);
});

test('a form gives parameters, or a message for each wrong field', () => {
  const texts = { start: '20', channel: '', shape: '"saw"', active: 'false', comment: '', delay: '0.5', points: '[]' };
  assert.deepEqual(parseForm(fieldsOf(SCHEMA), texts), { params: { start: 20, shape: 'saw', active: false, delay: 0.5, points: [] }, messages: {} });
  const { messages } = parseForm(fieldsOf(SCHEMA), { ...texts, start: '200', points: '' });
  assert.deepEqual(messages, { start: 'at most 140 V', points: 'must be filled in' });
});

test('choices may be referred to, and text may have a pattern', () => {
  const [mode, word] = fieldsOf({
    $defs: { Mode: { enum: [1, 2], type: 'integer' } }, required: ['mode', 'word'],
    properties: { mode: { $ref: '#/$defs/Mode' }, word: { type: 'string', pattern: '^[a-z]+$', minLength: 1 } },
  });
  assert.deepEqual([mode.kind, mode.choices], ['choice', [1, 2]]);
  assert.deepEqual(parseField(word, 'Ab'), { message: 'must match ^[a-z]+$' });
  assert.deepEqual(parseField(word, ''), { message: 'must be filled in' });
});

test('records of commands read as calls', () => {
  assert.equal(callText({ command: 'ramp_piezo', params: [20, 80, 5] }), 'ramp_piezo(20, 80, 5)');
  assert.equal(callText({ command: 'set', params: { name: 'a', on: true } }), 'set(name="a", on=true)');
  assert.equal(callText({ command: 'relock' }), 'relock()');
  assert.equal(whoText({ command: '', who: 'operator', from: '127.0.0.1' }), 'operator from 127.0.0.1');
  const stolen = { device: 'valve', owner: 'bob', taken_from: 'ann' };
  assert.equal(whoText({ command: 'lease.steal', who: 'bob', result: stolen }), 'bob, taken from ann');
  assert.equal(errorText({ command: '', error: { code: -32006, message: 'over limit' } }), 'over limit');
  assert.deepEqual([12, 1800, 0.2, 300000, undefined].map(durationText), ['12 ms', '1.8 s', '< 1 ms', '5 min', '']);
  assert.equal(valueText({ a: 1 }), '{"a":1}');
  assert.equal(failureText({ code: -32002, message: 'last answer 12 min ago' }, NOON), 'The instrument is offline: last answer 12 min ago');
  const leased = { code: -32005, message: 'valve is leased by ann', data: { device: 'valve', owner: 'ann', until: NOON + 61 } };
  assert.equal(failureText(leased, NOON), 'ann holds the lease until 12:01:01: wait, or take it over at the top');
  assert.equal(failureText({ code: -32005, message: 'it is leased' }, NOON), 'Somebody else holds the lease: it is leased');
  assert.equal(failureText({ code: 0, message: 'Not connected' }, NOON), 'Not connected');
});

test('a command that cannot run now says why', () => {
  const command = { name: 'park', doc: '', params: {} };
  assert.equal(obstacleTo(command, 'online', true), '');
  assert.equal(obstacleTo(command, 'online', false), 'Not connected');
  assert.equal(obstacleTo(command, 'disabled', true), 'The device is disabled');
  assert.equal(obstacleTo(command, 'offline', true), 'The device is offline');
  assert.equal(obstacleTo({ ...command, offline: true }, 'offline', true), '');
  assert.equal(obstacleTo({ ...command, offline: true }, 'offline', false), 'Not connected');
});

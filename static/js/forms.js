// @ts-check
/**
 * From the JSON Schema of a command to the fields of its form, and from what was typed to values or a sentence on what is wrong.
 *
 * The server checks again and is the judge; this is so that a person learns before pressing the button. The trap: text
 * is not a number until it parses completely, `5 V` or an empty field must never become 5 or 0.
 */

import { deviceState, STATES } from './states.js';

/**
 * @typedef {object} Field
 * @property {string} name of the parameter
 * @property {string} label
 * @property {'number' | 'integer' | 'text' | 'boolean' | 'choice' | 'json'} kind
 * @property {string} unit
 * @property {number | null} low
 * @property {number | null} high
 * @property {boolean} isLowOpen whether `low` itself is not allowed
 * @property {boolean} isHighOpen
 * @property {boolean} required
 * @property {boolean} nullable
 * @property {any} initial the default, undefined if there is none
 * @property {string} description
 * @property {any[]} choices
 * @property {number | null} maxLength
 * @property {any} schema
 */

/** @typedef {{value: any} | {message: string} | {omitted: true}} Parsed */

/** @param {any} schema JSON Schema of an object @returns {Field[]} */
export function fieldsOf(schema) {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => fieldOf(name, resolved(property, schema), required.has(name)));
}

/** Follows `$ref` into `$defs`. @param {any} property @param {any} root */
function resolved(property, root) {
  const name = typeof property.$ref === 'string' && property.$ref.split('/').pop();
  return name && root.$defs?.[name] ? { ...root.$defs[name], ...property } : property;
}

/** @param {string} name @param {any} schema @param {boolean} required @returns {Field} */
function fieldOf(name, schema, required) {
  const { type, choices, nullable } = kindOf(schema);
  return {
    name, label: labelOf(schema.title ?? name), kind: type, unit: schema.unit ?? '',
    low: schema.minimum ?? schema.exclusiveMinimum ?? null, high: schema.maximum ?? schema.exclusiveMaximum ?? null,
    isLowOpen: schema.minimum === undefined && schema.exclusiveMinimum !== undefined,
    isHighOpen: schema.maximum === undefined && schema.exclusiveMaximum !== undefined,
    required, nullable, initial: schema.default, description: schema.description ?? '', choices,
    maxLength: schema.maxLength ?? null, schema,
  };
}

/** A boolean without a default is two choices and none taken: nobody switches something off by not looking. @param {any} schema @returns {{type: Field['kind'], choices: any[], nullable: boolean}} */
function kindOf(schema) {
  const types = [schema.type ?? []].flat();
  const nullable = types.includes('null');
  if (types.includes('boolean')) return { type: 'boolean', choices: [true, false], nullable };
  const choices = (schema.enum ?? ('const' in schema ? [schema.const] : [])).filter((/** @type {any} */ choice) => choice !== null);
  const type = types.find((word) => word !== 'null');
  if (choices.length > 0) return { type: 'choice', choices, nullable };
  /** @type {Record<string, Field['kind']>} */
  const kinds = { number: 'number', integer: 'integer', string: 'text', boolean: 'boolean' };
  return { type: kinds[type] ?? 'json', choices: [], nullable };
}

/** `exposure_ms` -> `Exposure ms` @param {string} name */
export function labelOf(name) {
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What stands at the right above the field: `0 to 140 V`. @param {Field} field */
export function hintOf({ kind, low, high, isLowOpen, isHighOpen, unit, required, nullable }) {
  const end = unit ? ` ${unit}` : '';
  if (low !== null && high !== null) return `${plain(low)} to ${plain(high)}${end}`;
  if (low !== null) return `${isLowOpen ? 'above' : 'at least'} ${plain(low)}${end}`;
  if (high !== null) return `${isHighOpen ? 'below' : 'at most'} ${plain(high)}${end}`;
  if (kind === 'json') return 'JSON';
  return required && !nullable ? '' : 'optional';
}

/** What the field holds before anybody typed. @param {Field} field @returns {string} */
export function initialText({ kind, initial, choices, required }) {
  if (kind === 'choice') return initial === undefined && (!required || choices.length > 4) ? '' : JSON.stringify(initial ?? choices[0]);
  if (initial === undefined || initial === null) return '';
  return kind === 'json' ? JSON.stringify(initial) : String(initial);
}

/**
 * The value of what was typed; an optional field left empty is omitted.
 *
 * @param {Field} field @param {string} text
 * @returns {Parsed}
 */
export function parseField(field, text) {
  if (text.trim() === '' && (field.kind !== 'text' || field.nullable || !field.required)) return parseEmpty(field);
  switch (field.kind) {
    case 'number':
    case 'integer': return parseNumber(field, text.trim());
    case 'boolean':
    case 'choice': return parseChoice(field, text);
    case 'text': return parseText(field, text);
    default: return parseJson(text);
  }
}

/** @param {Field} field @returns {Parsed} */
function parseEmpty({ required, nullable, choices }) {
  if (!required) return { omitted: true };
  if (nullable) return { value: null };
  return { message: choices.length ? 'choose one' : 'must be filled in' };
}

/** @param {Field} field @param {string} text @returns {Parsed} */
function parseNumber(field, text) {
  const { kind, low, high, isLowOpen, isHighOpen } = field;
  const typed = text.replace(',', '.').replace('−', '-');
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(typed)) return { message: kind === 'integer' ? 'must be a whole number' : 'must be a number' };
  const value = Number(typed);
  const unit = field.unit ? ` ${field.unit}` : '';
  if (!Number.isFinite(value)) return { message: 'is too large' };
  if (kind === 'integer' && !Number.isSafeInteger(value)) return { message: 'must be a whole number' };
  if (low !== null && (isLowOpen ? value <= low : value < low)) return { message: `${isLowOpen ? 'above' : 'at least'} ${plain(low)}${unit}` };
  if (high !== null && (isHighOpen ? value >= high : value > high)) return { message: `${isHighOpen ? 'below' : 'at most'} ${plain(high)}${unit}` };
  return { value };
}

/** @param {Field} field @param {string} text JSON of the choice @returns {Parsed} */
function parseChoice({ choices }, text) {
  const value = choices.find((choice) => JSON.stringify(choice) === text);
  return value === undefined ? { message: 'choose one' } : { value };
}

/** @param {Field} field @param {string} text @returns {Parsed} */
function parseText({ schema, maxLength }, text) {
  const { minLength = 0, pattern } = schema;
  if (text.length < minLength) return { message: minLength === 1 ? 'must be filled in' : `at least ${minLength} characters` };
  if (maxLength !== null && text.length > maxLength) return { message: `at most ${maxLength} characters` };
  if (pattern && !matches(pattern, text)) return { message: `must match ${pattern}` };
  return { value: text };
}

/** A pattern that only Python understands is left to the server. @param {string} pattern @param {string} text */
function matches(pattern, text) {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch (error) {
    if (error instanceof SyntaxError) return true;
    throw error;
  }
}

/** @param {string} text @returns {Parsed} */
function parseJson(text) {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { message: 'must be JSON, such as [1, 2] or {"a": 1}' };
    throw error;
  }
}

/** @param {number} value */
function plain(value) {
  return String(value).replace('-', '−');
}

/**
 * All parameters of a form, or the message of each field that is wrong.
 *
 * @param {Field[]} fields @param {Record<string, string>} texts
 * @returns {{params: Record<string, any>, messages: Record<string, string>}}
 */
export function parseForm(fields, texts) {
  /** @type {Record<string, any>} */
  const params = {};
  /** @type {Record<string, string>} */
  const messages = {};
  for (const field of fields) {
    const parsed = parseField(field, texts[field.name] ?? '');
    if ('message' in parsed) messages[field.name] = parsed.message;
    else if ('value' in parsed) params[field.name] = parsed.value;
  }
  return { params, messages };
}

/**
 * Why a command cannot be run now; empty where it can. The server would refuse it, a person should not have to try.
 *
 * @param {import('./shapes.js').Command} command @param {import('./shapes.js').DeviceState} state @param {boolean} isLive
 */
export function obstacleTo({ offline = false }, state, isLive) {
  if (!isLive) return 'Not connected';
  return state === 'online' || offline ? '' : `The device is ${STATES[deviceState(state)].word.toLowerCase()}`;
}

// @ts-check
/**
 * MessagePack as labmon speaks it: columns of numbers in extension type 1, times in nanoseconds.
 * The trap: a double holds nanoseconds of today only to 256 ns, so a time is good for drawing, not for paging.
 */

import { Decoder, Encoder, ExtensionCodec } from './vendor.js';

const COLUMN = 1;
const NANOSECONDS_FROM = 1e14;

/** @typedef {Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array} Column */

/** @type {Record<string, (data: ArrayBuffer) => Column>} */
const COLUMNS = {
  d: (data) => new Float64Array(data),
  f: (data) => new Float32Array(data),
  q: (data) => Float64Array.from(new BigInt64Array(data), Number),
  Q: (data) => Float64Array.from(new BigUint64Array(data), Number),
  i: (data) => new Int32Array(data),
  I: (data) => new Uint32Array(data),
  h: (data) => new Int16Array(data),
  H: (data) => new Uint16Array(data),
  b: (data) => new Int8Array(data),
  B: (data) => new Uint8Array(data),
};

/**
 * A column of numbers: one byte of dtype code, then little-endian data.
 * @param {Uint8Array} bytes
 * @returns {Column}
 */
export function decodeColumn(bytes) {
  const code = String.fromCharCode(bytes[0]);
  const make = COLUMNS[code];
  if (!make) throw new Error(`labmon sent a column of unknown type ${JSON.stringify(code)}`);
  return make(bytes.slice(1).buffer); // a copy, because typed arrays want aligned data
}

const extensions = new ExtensionCodec();
extensions.register({
  type: COLUMN,
  encode: () => null,
  decode: decodeColumn,
});
const decoder = new Decoder({ extensionCodec: extensions });
const encoder = new Encoder();

/** @param {ArrayBuffer | Uint8Array} data @returns {any} */
export const decode = (data) => decoder.decode(data instanceof Uint8Array ? data : new Uint8Array(data));

/** @param {unknown} message @returns {Uint8Array} */
export const encode = (message) => encoder.encode(message);

/**
 * A time as Unix seconds, whether it came in seconds (JSON) or in nanoseconds (MessagePack).
 * @param {number} time
 */
export const seconds = (time) => (Math.abs(time) > NANOSECONDS_FROM ? time / 1e9 : time);

/**
 * A column of times as Unix seconds.
 * @param {Column | number[]} times
 * @returns {Float64Array}
 */
export const secondsColumn = (times) => Float64Array.from(times, seconds);

/**
 * A column of numbers, NaN where there is none.
 * @param {Column | (number | null)[]} values
 * @returns {Float64Array}
 */
export const numberColumn = (values) => (values instanceof Float64Array
  ? values
  : Float64Array.from(values, (value) => (typeof value === 'number' ? value : NaN)));

// @ts-check
/**
 * The one door to other people's code: Preact with htm, MessagePack, and uPlot when a graph needs it.
 * The files are fetched at build time into static/vendor/; here they get the types of their packages.
 */

// @ts-ignore fetched at build time
import * as standalone from '../vendor/htm-preact.js';
// @ts-ignore fetched at build time
import { Decoder as AnyDecoder } from '../vendor/msgpack/Decoder.mjs';
// @ts-ignore fetched at build time
import { Encoder as AnyEncoder } from '../vendor/msgpack/Encoder.mjs';
// @ts-ignore fetched at build time
import { ExtensionCodec as AnyExtensionCodec } from '../vendor/msgpack/ExtensionCodec.mjs';

import { stylesheet } from './assets.js';

/** @typedef {import('preact').VNode<any>} VNode */
/** @typedef {import('preact').ComponentChildren} Children */
/** @typedef {typeof import('uplot')} UPlotClass */

/** @param {any} value @returns {any} */
const any = (value) => value;

/** @type {typeof import('htm/preact')} */
const preact = any(standalone);
/** @type {typeof import('preact').createContext} */
export const createContext = any(standalone).createContext;

export const { html, h, render, Component } = preact;
export const {
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useReducer, useContext,
} = preact;

/** @type {typeof import('@msgpack/msgpack').Decoder} */
export const Decoder = any(AnyDecoder);
/** @type {typeof import('@msgpack/msgpack').Encoder} */
export const Encoder = any(AnyEncoder);
/** @type {typeof import('@msgpack/msgpack').ExtensionCodec} */
export const ExtensionCodec = any(AnyExtensionCodec);

/**
 * uPlot and its style sheet, loaded once, when a page draws its first graph.
 * @returns {Promise<UPlotClass>}
 */
export async function loadUPlot() {
  // @ts-ignore fetched at build time
  const loading = import('../vendor/uPlot.esm.js');
  await stylesheet('/static/vendor/uPlot.min.css');
  return any((await loading).default);
}

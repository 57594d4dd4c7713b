// @ts-check
/** A sparkline: mean over its min–max band, a dot at the live end, dots along a gap that still lasts. Drawn as SVG, styled by CSS. */

import { SPAN_S } from './trace.js';
import { spansDecades } from './units.js';

/** @typedef {import('./trace.js').TracePoint} TracePoint */
/**
 * @typedef {object} SparkShape
 * @property {string} band
 * @property {string} line
 * @property {string} trail from the last value to now, where the stream is silent
 * @property {number | null} end height of the newest value, 0 top, 1 bottom; null where there is none
 * @property {number} low of all readings
 * @property {number} high
 */

/** Ticks of the store from one drawing to the next: ten minutes move by a pixel in three seconds. */
export const SPARK_TICKS = 4;

const WIDTH = 200;
const HEIGHT = 26;
const MARGIN = 2; // for the thickness of the line
const SVG = 'http://www.w3.org/2000/svg';

/**
 * The paths of a sparkline.
 * @param {TracePoint[][]} stretches
 * @param {number} now Unix seconds: the right edge
 * @param {boolean} isSilent the last value no longer holds
 * @param {boolean} [mayBeLog] the channel spans decades: where it does now, equal factors are equal heights
 * @returns {SparkShape}
 */
export function sparkShape(stretches, now, isSilent, mayBeLog = false) {
  const points = stretches.flat();
  if (!points.length) return { band: '', line: '', trail: `M0 ${HEIGHT / 2}H${WIDTH}`, end: null, low: NaN, high: NaN };
  const low = Math.min(...points.map((point) => point.min));
  const high = Math.max(...points.map((point) => point.max));
  const x = (/** @type {number} */ t) => Math.max(0, ((t - now + SPAN_S) / SPAN_S) * WIDTH).toFixed(1);
  const scale = mayBeLog && spansDecades(low, high) ? Math.log : (/** @type {number} */ value) => value;
  const height = (/** @type {number} */ value) => (high > low
    ? MARGIN + ((scale(high) - scale(value)) / (scale(high) - scale(low))) * (HEIGHT - 2 * MARGIN)
    : HEIGHT / 2);
  const y = (/** @type {number} */ value) => height(value).toFixed(1);
  const last = points[points.length - 1];
  return {
    band: stretches.map((stretch) => bandPath(stretch, x, y)).join(''),
    line: stretches.map((stretch) => linePath(stretch, x, y)).join(''),
    trail: isSilent ? `M${x(last.t)} ${y(last.mean)}H${WIDTH}` : '',
    end: isSilent ? null : height(last.mean) / HEIGHT,
    low,
    high,
  };
}

/** @param {TracePoint[]} stretch @param {(t: number) => string} x @param {(v: number) => string} y */
function linePath(stretch, x, y) {
  if (stretch.length === 1) return `M${x(stretch[0].t)} ${y(stretch[0].mean)}h.1`;
  return `M${stretch.map(({ t, mean }) => `${x(t)} ${y(mean)}`).join('L')}`;
}

/** @param {TracePoint[]} stretch @param {(t: number) => string} x @param {(v: number) => string} y */
function bandPath(stretch, x, y) {
  const above = stretch.map(({ t, max }) => `${x(t)} ${y(max)}`);
  const below = stretch.map(({ t, min }) => `${x(t)} ${y(min)}`).reverse();
  return `M${[...above, ...below].join('L')}Z`;
}

/** The element of a sparkline. */
export class Spark {
  element = document.createElement('span');
  #band = path('band');
  #line = path('');
  #trail = path('none');
  #dot = document.createElement('i');

  constructor() {
    this.element.className = 'spark';
    this.element.setAttribute('aria-hidden', 'true');
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.append(this.#band, this.#line, this.#trail);
    this.element.append(svg, this.#dot);
  }

  /** @param {SparkShape} shape */
  paint({ band, line, trail, end }) {
    this.#band.setAttribute('d', band);
    this.#line.setAttribute('d', line);
    this.#trail.setAttribute('d', trail);
    this.#dot.hidden = end === null;
    if (end !== null) this.#dot.style.top = `${(end * 100).toFixed(1)}%`;
  }
}

/** @param {string} name */
function path(name) {
  const element = document.createElementNS(SVG, 'path');
  if (name) element.setAttribute('class', name);
  return element;
}

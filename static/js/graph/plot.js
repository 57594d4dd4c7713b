// @ts-check
/**
 * The canvas of the graph: uPlot for axes, grid and canvas, our own paths for the lines.
 *
 * uPlot wants all streams on the same times; ours have their own, so it is given two times and no
 * values, and each stream is drawn from its columns. The trap: uPlot's axes are fixed when it is
 * made, so other units or another kind of scale mean a new instance.
 */

import { axesFor } from './axis.js';
import { extentOf, groupsOf } from './extents.js';
import { horizontal, pathsOf, verticalOf } from './paths.js';
import { drawStrips } from './strips.js';
import { inks } from './ink.js';
import { timeTicks } from './time_axis.js';

/** @typedef {import('../vendor.js').UPlotClass} UPlotClass */
/** @typedef {import('uplot')} UPlot */
/** @typedef {import('./axis.js').Axis} Axis */
/** @typedef {import('./extents.js').Drawn} Drawn */
/** @typedef {import('./paths.js').Frame} Frame */

/**
 * @typedef {object} Scene what is to be drawn
 * @property {number} start_s @property {number} end_s
 * @property {Drawn[]} streams
 * @property {boolean} band
 * @property {boolean | null} log
 * @property {number} now_s
 */

const NARROW_PX = 600;
const TOP_PX = 10;
const BOTTOM_PX = 34;
/** Axes beyond these have no room; the readout still tells their values. */
const NARROW_AXES = 2;
const WIDE_AXES = 4;

/** Steps, so that axes do not move with every label. @param {Array<string | number | null> | null} labels */
function roomFor(labels) {
  const longest = Math.max(0, ...(labels ?? []).map((label) => String(label ?? '').length));
  return Math.ceil((longest * 6.7 + 16) / 8) * 8;
}

export class Plot {
  /** @type {UPlot | null} */
  #uplot = null;
  #key = '';
  /** @type {Scene} */
  #scene = { start_s: 0, end_s: 1, streams: [], band: true, log: null, now_s: 0 };
  /** @type {Axis[]} of each group */
  axes = [];
  /** @type {import('./extents.js').AxisGroup[]} */
  groups = [];
  #ink = inks([]);
  #UPlot;
  #reasons;
  /** @type {{splits: number[], labels: string[]}} */
  #ticks = { splits: [], labels: [] };

  /**
   * @param {UPlotClass} uPlot
   * @param {HTMLElement} root whose size the plot takes
   * @param {import('./gap_reasons.js').GapReasons} reasons
   */
  constructor(uPlot, root, reasons) {
    this.#reasons = reasons;
    this.#UPlot = uPlot;
    this.root = root;
  }

  get isNarrow() {
    return this.root.clientWidth < NARROW_PX;
  }

  /** How many axes have room; the others' titles say so. */
  get shownAxes() {
    return this.isNarrow ? NARROW_AXES : WIDE_AXES;
  }

  /** Draws a scene, before the next frame. @param {Scene} scene */
  draw(scene) {
    this.#scene = scene;
    const { start_s, end_s } = scene;
    const keys = this.groups.map(({ key }) => key);
    const all = groupsOf(scene.streams, scene, keys).map((group) => ({ group, extent: extentOf(group.streams, scene) }));
    const known = all.flatMap(({ group, extent }) => (extent ? [{ group, extent }] : []));
    const before = known.map(({ group }) => this.axes[keys.indexOf(group.key)]);
    this.axes = axesFor(known.map(({ extent }) => extent), this.root.clientHeight - TOP_PX - BOTTOM_PX, before);
    this.groups = known.map(({ group }) => group);
    this.#ticks = timeTicks(start_s, end_s, this.root.clientWidth - 96);
    this.#ensure();
    this.#uplot?.setScale('x', { min: start_s, max: end_s });
  }

  /** Colours are read anew: the theme has changed. */
  recolour() {
    this.#ink = inks(this.#scene.streams.map(({ pen }) => pen.colour));
    this.#uplot?.redraw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (width > 0 && height > 0) this.#uplot?.setSize({ width, height });
    this.draw(this.#scene);
  }

  destroy() {
    this.#uplot?.destroy();
    this.#uplot = null;
    this.#key = '';
  }

  /** The canvas, for a picture of it. */
  get canvas() {
    return this.#uplot?.ctx.canvas ?? null;
  }

  /** The area within the axes, in pixels of the page relative to the root. */
  get area() {
    const scale = devicePixelRatio || 1;
    const { left = 0, top = 0, width = 0, height = 0 } = this.#uplot?.bbox ?? {};
    return { left: left / scale, top: top / scale, width: width / scale, height: height / scale };
  }

  /** From the left end to the right one. */
  get span_s() {
    return this.#scene.end_s - this.#scene.start_s;
  }

  /** Where a time is, in pixels of the page relative to the root. @param {number} time_s */
  xAt(time_s) {
    return horizontal({ ...this.#scene, ...this.area, min: 0, max: 1, log: false }, time_s);
  }

  /** @param {number} x pixels relative to the root */
  timeAt(x) {
    const { left, width } = this.area;
    const { start_s, end_s } = this.#scene;
    return start_s + ((x - left) / Math.max(width, 1)) * (end_s - start_s);
  }

  /** The axis of a stream; undefined where it has no values. @param {string} path @returns {Axis | undefined} */
  axisOf(path) {
    return this.axes[this.#indexOf(path)];
  }

  /** @param {string} path */
  #indexOf(path) {
    return this.groups.findIndex(({ streams }) => streams.some((stream) => stream.path === path));
  }

  /** Where a value of a stream is, NaN if it has no place. @param {string} path @param {number} value */
  yAt(path, value) {
    const axis = this.axisOf(path);
    return axis ? verticalOf({ ...this.#scene, ...axis, ...this.area })(value) : NaN;
  }

  #ensure() {
    const { streams } = this.#scene;
    const drawn = streams.filter(({ path }) => this.#indexOf(path) >= 0);
    const key = JSON.stringify([drawn.map(({ path, pen }) => [path, this.#indexOf(path), pen.slot]), this.axes.map(({ log }) => log), this.isNarrow]);
    if (key === this.#key && this.#uplot) return;
    this.#ink = inks(streams.map(({ pen }) => pen.colour));
    this.#uplot?.destroy();
    this.#key = key;
    const { start_s, end_s } = this.#scene;
    const data = /** @type {any} */ ([[start_s, end_s], ...drawn.map(() => [null, null])]);
    this.#uplot = new this.#UPlot(this.#options(drawn), data, this.root);
  }

  /** @param {Drawn[]} drawn @returns {import('uplot').Options} */
  #options(drawn) {
    const right = this.axes.length > 1 ? 0 : this.isNarrow ? 14 : 20;
    return {
      width: Math.max(this.root.clientWidth, 1),
      height: Math.max(this.root.clientHeight, 1),
      padding: [TOP_PX, right, 0, this.axes.length ? 0 : 16],
      legend: { show: false },
      cursor: { show: false },
      select: /** @type {any} */ ({ show: false }),
      scales: this.#scales(),
      axes: [this.#timeAxis(), ...this.axes.map((_, i) => this.#valueAxis(i))],
      series: [{}, ...drawn.map(({ path, pen }) => this.#series(path, this.#indexOf(path), pen))],
      hooks: { drawAxes: [(u) => this.#drawGaps(u)] },
    };
  }

  #scales() {
    /** @type {import('uplot').Scales} */
    const scales = { x: { time: true, range: () => [this.#scene.start_s, this.#scene.end_s] } };
    this.axes.forEach(({ log }, i) => {
      scales[`y${i}`] = { distr: log ? 3 : 1, auto: true, range: () => [this.axes[i].min, this.axes[i].max] };
    });
    return scales;
  }

  /** @returns {import('uplot').Axis} */
  #timeAxis() {
    return {
      size: BOTTOM_PX,
      gap: 5,
      font: this.#ink.font,
      stroke: () => this.#ink.label,
      grid: { stroke: () => this.#ink.line, width: 1 },
      ticks: { stroke: () => this.#ink.edge, width: 1, size: 5 },
      border: { show: true, stroke: () => this.#ink.edge, width: 1 },
      splits: () => this.#ticks.splits,
      values: () => this.#ticks.labels,
    };
  }

  /** @param {number} i @returns {import('uplot').Axis} */
  #valueAxis(i) {
    const isFirst = i === 0;
    const isAligned = isFirst || !this.axes[i].log;
    return {
      scale: `y${i}`,
      side: isFirst ? 3 : 1,
      show: i < this.shownAxes,
      size: (_, labels) => Math.max(this.isNarrow ? 40 : isFirst ? 52 : 56, roomFor(labels)),
      gap: 8,
      font: this.#ink.font,
      stroke: () => this.#ink.label,
      grid: { show: isFirst, stroke: () => this.#ink.line, width: 1, filter: (_, splits) => splits.map((split) => (split > this.axes[i].min ? split : null)) },
      ticks: { show: !isAligned, stroke: () => this.#ink.edge, width: 1, size: isAligned ? 0 : 5 },
      splits: () => this.axes[i].splits,
      values: () => this.axes[i].labels,
    };
  }

  /** @param {string} path @param {number} axis @param {import('./palette.js').Pen} pen @returns {import('uplot').Series} */
  #series(path, axis, pen) {
    return {
      scale: `y${axis}`,
      width: 1.75,
      dash: pen.dash,
      cap: pen.dash.length ? 'butt' : 'round',
      points: { show: false },
      stroke: () => this.#ink.pens[pen.colour],
      fill: () => this.#ink.bands[pen.colour],
      paths: (u) => this.#paths(u, path, axis),
    };
  }

  /** @param {UPlot} u @param {string} path @param {number} axis @returns {import('uplot').Series.Paths | null} */
  #paths(u, path, axis) {
    const stream = this.#scene.streams.find((candidate) => candidate.path === path);
    if (!stream || !this.axes[axis]) return null;
    const { stroke, fill } = pathsOf(stream.columns, this.#frame(u, this.axes[axis]), this.#scene.band);
    return /** @type {any} */ ({ stroke, fill, flags: 0 });
  }

  /** @param {UPlot} u @param {Axis} axis @returns {Frame} in pixels of the canvas */
  #frame(u, { min, max, log }) {
    const { start_s, end_s } = this.#scene;
    const { left, top, width, height } = u.bbox;
    return { start_s, end_s, min, max, log, left, top, width, height };
  }

  /** @param {UPlot} u */
  #drawGaps(u) {
    const { streams, start_s, end_s, now_s } = this.#scene;
    drawStrips(u.ctx, { ...u.bbox, start_s, end_s, min: 0, max: 1, log: false }, streams, this.#ink, (stream, gap) => this.#reasons.why(stream, gap), now_s);
  }
}

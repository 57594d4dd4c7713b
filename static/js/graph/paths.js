// @ts-check
/**
 * From columns to canvas paths: the mean as a line, minimum and maximum as the band behind it.
 *
 * Every stream is drawn from its own columns, without merging times with others and without an object
 * per point. The trap: one row outside each end is drawn too, or the line would not reach the edge.
 */

/** @typedef {import('./columns.js').Columns} Columns */

/**
 * @typedef {object} Frame from values to pixels of the canvas
 * @property {number} start_s @property {number} end_s
 * @property {number} min of the value axis @property {number} max
 * @property {boolean} log
 * @property {number} left @property {number} top @property {number} width @property {number} height
 */

/**
 * @param {Columns} columns @param {Frame} frame @param {boolean} withBand
 * @returns {{stroke: Path2D, fill: Path2D | null}}
 */
export function pathsOf(columns, frame, withBand) {
  const stroke = new Path2D();
  const fill = withBand && columns.hasBand ? new Path2D() : null;
  const first = Math.max(0, columns.firstFrom(frame.start_s) - 1);
  const end = Math.min(columns.length, columns.firstFrom(frame.end_s) + 1);
  const y = verticalOf(frame);
  let i = first;
  while (i < end) {
    while (i < end && Number.isNaN(y(columns.mean[i]))) i += 1;
    const from = i;
    while (i < end && !Number.isNaN(y(columns.mean[i]))) i += 1;
    if (i === from) break;
    line(stroke, columns, from, i, frame, y);
    if (fill) band(fill, columns, from, i, frame, y);
  }
  return { stroke, fill };
}

/**
 * The vertical place of a value; NaN where it has none, such as zero on a logarithmic axis.
 *
 * @param {Frame} frame @returns {(value: number) => number}
 */
export function verticalOf({ min, max, log, top, height }) {
  const bottom = top + height;
  if (!log) {
    const scale = height / (max - min);
    return (value) => bottom - (value - min) * scale;
  }
  const low = Math.log10(min);
  const scale = height / (Math.log10(max) - low);
  return (value) => (value > 0 ? bottom - (Math.log10(value) - low) * scale : NaN);
}

/** @param {Frame} frame @param {number} time_s */
export function horizontal({ start_s, end_s, left, width }, time_s) {
  return left + ((time_s - start_s) / (end_s - start_s)) * width;
}

/**
 * @param {Path2D} path @param {Columns} columns @param {number} from @param {number} end
 * @param {Frame} frame @param {(value: number) => number} y
 */
function line(path, columns, from, end, frame, y) {
  const { mean } = columns;
  const x = horizontal(frame, columns.x(from));
  path.moveTo(x, y(mean[from]));
  // a value without neighbours is a short stroke, or it would not be seen
  if (end - from === 1) path.lineTo(x + 1, y(mean[from]));
  for (let i = from + 1; i < end; i += 1) path.lineTo(horizontal(frame, columns.x(i)), y(mean[i]));
}

/**
 * @param {Path2D} path @param {Columns} columns @param {number} from @param {number} end
 * @param {Frame} frame @param {(value: number) => number} y
 */
function band(path, columns, from, end, frame, y) {
  const { min, max } = columns;
  const bottom = frame.top + frame.height;
  path.moveTo(horizontal(frame, columns.x(from)), y(max[from]));
  for (let i = from + 1; i < end; i += 1) path.lineTo(horizontal(frame, columns.x(i)), y(max[i]));
  for (let i = end - 1; i >= from; i -= 1) {
    const low = y(min[i]);
    path.lineTo(horizontal(frame, columns.x(i)), Number.isNaN(low) ? bottom : low);
  }
  path.closePath();
}

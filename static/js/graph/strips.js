// @ts-check
/** The hatched strips on the time axis: from when to when a stream had no value, whose it is, and why. */

import { gapsOf, rowsOf, sharedGaps, silenceOf } from './gaps.js';
import { faded } from './ink.js';
import { horizontal } from './paths.js';

const HEIGHT_PX = 22;
const LEAST_PX = 3;
const MOST_ROWS = 4;
const LABEL_FROM_PX = 14;

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {import('./paths.js').Frame} frame in pixels of the canvas
 * @param {import('./extents.js').Drawn[]} streams
 * @param {import('./ink.js').Ink} ink
 * @param {(stream: import('./extents.js').Drawn, gap: import('./gaps.js').Gap) => string} why
 * @param {number} now_s
 */
export function drawStrips(ctx, frame, streams, ink, why, now_s) {
  const scale = devicePixelRatio || 1;
  const { start_s, end_s, width } = frame;
  const perPixel_s = ((end_s - start_s) / Math.max(width, 1)) * scale;
  const own = streams.map((stream) => ({
    owner: stream,
    gaps: [...gapsOf(stream.columns, start_s, end_s), ...(now_s <= end_s ? silenceOf(stream.columns, stream.period_s, now_s) : [])]
      .filter(({ from_s, to_s }) => to_s - from_s >= LEAST_PX * perPixel_s)
      .map((gap) => ({ ...gap, why: why(stream, gap) })),
  }));
  const gaps = sharedGaps(own, 3 * perPixel_s);
  const rows = rowsOf(gaps, 4 * perPixel_s);
  const many = Math.max(0, ...rows) > 0;
  const height = (many ? HEIGHT_PX - 6 : HEIGHT_PX) * scale;
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.left, frame.top, frame.width, frame.height);
  ctx.clip();
  gaps.forEach((gap, i) => {
    if (rows[i] >= MOST_ROWS) return;
    const left = horizontal(frame, gap.from_s);
    const box = { left, width: horizontal(frame, gap.to_s) - left, top: frame.top + frame.height - (rows[i] + 1) * height - rows[i] * 3 * scale, height };
    hatch(ctx, box, scale, ink);
    marks(ctx, box, scale, gap.owners.map(({ pen }) => ink.pens[pen.colour]));
    label(ctx, visiblePart(box, frame), scale, gap.why, ink);
  });
  ctx.restore();
}

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

/** @param {Box} box @param {import('./paths.js').Frame} frame @returns {Box} */
function visiblePart(box, frame) {
  const left = Math.max(box.left, frame.left);
  const right = Math.min(box.left + box.width, frame.left + frame.width);
  return { ...box, left, width: right - left };
}

/** @param {CanvasRenderingContext2D} ctx @param {Box} box @param {number} scale @param {import('./ink.js').Ink} ink */
function hatch(ctx, { left, top, width, height }, scale, ink) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.strokeStyle = faded(ink.edge, 0.5);
  ctx.lineWidth = 1.2 * scale;
  ctx.beginPath();
  const step = 8 * scale;
  const first = Math.floor(Math.max(left, 0) / step) * step - height;
  const last = Math.min(left + width, ctx.canvas.width);
  for (let x = first; x < last; x += step) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

/** The two ends, in the colours of the streams. @param {CanvasRenderingContext2D} ctx @param {Box} box @param {number} scale @param {string[]} colours */
function marks(ctx, { left, top, width, height }, scale, colours) {
  ctx.lineWidth = 1.5 * scale;
  colours.forEach((colour, i) => {
    const part = height / colours.length;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (const x of [left, left + width]) {
      ctx.moveTo(x, top + i * part);
      ctx.lineTo(x, top + (i + 1) * part);
    }
    ctx.stroke();
  });
}

/** @param {CanvasRenderingContext2D} ctx @param {Box} box @param {number} scale @param {string} text @param {import('./ink.js').Ink} ink */
function label(ctx, { left, top, width, height }, scale, text, ink) {
  ctx.font = ink.font.replace(/^12px/, `${12 * scale}px`);
  const room = ctx.measureText(text).width;
  if (width < room + LABEL_FROM_PX * scale) return;
  const middle = left + width / 2;
  ctx.fillStyle = ink.surface;
  ctx.fillRect(middle - room / 2 - 5 * scale, top + 2 * scale, room + 10 * scale, height - 4 * scale);
  ctx.fillStyle = ink.label;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillText(text, middle, top + height / 2 + 0.5 * scale);
}

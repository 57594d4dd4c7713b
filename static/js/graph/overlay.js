// @ts-check
/**
 * What lies over the canvas and moves without drawing it again: cursor, rings, live ends, the selection.
 *
 * The trap: this runs for every move of the pointer, so it only moves elements that it keeps.
 */

import { rowAt } from './extents.js';

/** @typedef {import('./plot.js').Plot} Plot */
/** @typedef {import('./extents.js').Drawn} Drawn */

export class Overlay {
  #cursor = element('gcursor');
  #selection = element('gselect');
  /** @type {Map<string, HTMLElement>} */
  #rings = new Map();
  /** @type {Map<string, HTMLElement>} */
  #ends = new Map();

  /** @param {HTMLElement} root of the plot */
  constructor(root) {
    this.root = element('gover');
    this.root.setAttribute('aria-hidden', 'true');
    this.root.append(this.#selection, this.#cursor);
    this.#cursor.hidden = true;
    this.#selection.hidden = true;
    root.append(this.root);
  }

  /** The cursor at a time, a ring on each line. @param {Plot} plot @param {Drawn[]} streams @param {number | null} time_s */
  showCursor(plot, streams, time_s) {
    const { left, top, width, height } = plot.area;
    const x = time_s === null ? NaN : plot.xAt(time_s);
    const isSeen = x >= left - 0.5 && x <= left + width + 0.5;
    this.#cursor.hidden = !isSeen;
    if (isSeen) place(this.#cursor, Math.round(x), top, undefined, height);
    this.#reconcile(this.#rings, streams, 'gring');
    for (const stream of streams) {
      const { path, columns } = stream;
      const ring = /** @type {HTMLElement} */ (this.#rings.get(path));
      const row = isSeen && time_s !== null ? rowAt(stream, time_s, plot.span_s) : -1;
      put(ring, isSeen ? x : NaN, row < 0 ? NaN : plot.yAt(path, columns.mean[row]), plot);
    }
  }

  /** The newest values, while live. @param {Plot} plot @param {Drawn[]} streams @param {boolean} isLive */
  showEnds(plot, streams, isLive) {
    this.#reconcile(this.#ends, streams, 'gend');
    for (const { path, columns, period_s } of streams) {
      const end = /** @type {HTMLElement} */ (this.#ends.get(path));
      const row = columns.length - 1;
      const isThere = isLive && row >= 0 && !Number.isNaN(columns.mean[row]) && isFresh(columns, period_s);
      put(end, isThere ? plot.xAt(columns.x(row)) : NaN, isThere ? plot.yAt(path, columns.mean[row]) : NaN, plot);
    }
  }

  /** The part that a drag has marked; nothing if both ends are the same. @param {Plot} plot @param {number} from @param {number} to */
  showSelection(plot, from, to) {
    const { top, height } = plot.area;
    this.#selection.hidden = Math.abs(to - from) < 2;
    place(this.#selection, Math.min(from, to), top, Math.abs(to - from), height);
  }

  /** @param {Map<string, HTMLElement>} kept @param {Drawn[]} streams @param {string} className */
  #reconcile(kept, streams, className) {
    for (const [path, one] of kept) {
      if (streams.some((stream) => stream.path === path)) continue;
      one.remove();
      kept.delete(path);
    }
    for (const { path, pen } of streams) {
      let one = kept.get(path);
      if (!one) {
        one = element(className);
        kept.set(path, one);
        this.root.append(one);
      }
      one.style.color = `var(--${pen.colour})`;
    }
  }
}

/** Whether the newest reading is live. @param {import('./columns.js').Columns} columns @param {number} [period_s] */
function isFresh(columns, period_s = Infinity) {
  const age_s = freshness.now() - columns.newest_s;
  return age_s < Math.max(3, Number.isFinite(period_s) ? 3 * period_s : 60, columns.bucket_s);
}

/** The clock by which live ends are judged; the page sets it to the server's. */
export const freshness = { now: () => Date.now() / 1000 };

/** @param {string} className */
function element(className) {
  const div = document.createElement('div');
  div.className = className;
  return div;
}

/** @param {HTMLElement} one @param {number} x @param {number} y @param {Plot} plot */
function put(one, x, y, plot) {
  const { left, top, width, height } = plot.area;
  const isSeen = x >= left - 1 && x <= left + width + 1 && y >= top - 1 && y <= top + height + 1;
  one.hidden = !isSeen;
  if (isSeen) one.style.transform = `translate(${x}px, ${y}px)`;
}

/** @param {HTMLElement} one @param {number} left @param {number} top @param {number | undefined} width @param {number} height */
function place(one, left, top, width, height) {
  one.style.transform = `translate(${left}px, ${top}px)`;
  one.style.height = `${height}px`;
  if (width !== undefined) one.style.width = `${width}px`;
}

// @ts-check
/** The annotations on the plot: a dotted line and a flag each, over a range two lines and a tint between them. A flag is a button. */

import { iconElement } from '../icons.js';

/** @typedef {import('./annotations.js').Annotation} Annotation */
/** @typedef {import('./plot.js').Plot} Plot */

const ROW_PX = 26;
const MOST_ROWS = 4;
const GAP_PX = 6;
const LONGEST = 60;

/** @typedef {{box: HTMLElement, flag: HTMLButtonElement, version: number, width: number}} Kept */

export class Flags {
  /** @type {Map<string, Kept>} */
  #kept = new Map();

  /** @param {HTMLElement} root of the plot @param {(one: Annotation) => void} onOpen */
  constructor(root, onOpen) {
    this.root = document.createElement('div');
    this.root.className = 'gflags';
    this.onOpen = onOpen;
    root.append(this.root);
  }

  /** @param {Plot} plot @param {Annotation[]} annotations in the order of their times */
  show(plot, annotations) {
    const { left, top, width, height } = plot.area;
    for (const [id, { box, version }] of this.#kept) {
      if (annotations.some((one) => one.id === id && one.version === version)) continue;
      box.remove();
      this.#kept.delete(id);
    }
    /** @type {number[]} where each row is free again */
    const free = [];
    for (const one of annotations) {
      const kept = this.#kept.get(one.id) ?? this.#make(one);
      const from = Math.max(plot.xAt(one.start), left);
      const to = Math.min(one.end === null ? from : plot.xAt(one.end), left + width);
      kept.box.style.transform = `translate(${Math.round(from)}px, ${top}px)`;
      kept.box.style.width = `${Math.max(0, to - from)}px`;
      kept.box.style.height = `${height}px`;
      kept.box.classList.toggle('cut-l', one.start < plot.timeAt(left));
      const flag = Math.min(from, left + width - Math.min(kept.width, width));
      const row = rowFor(free, flag, kept.width);
      kept.flag.style.transform = `translate(${flag - from}px, ${Math.min(row, MOST_ROWS - 1) * ROW_PX}px)`;
      kept.flag.classList.toggle('is-left', flag < from);
    }
  }

  /** @param {Annotation} one @returns {Kept} */
  #make(one) {
    const box = document.createElement('div');
    box.className = one.end === null ? 'gnote' : 'gnote is-range';
    const flag = document.createElement('button');
    flag.type = 'button';
    flag.title = `${one.text}\n${one.who}`;
    const text = document.createElement('span');
    text.textContent = one.text.length > LONGEST ? `${one.text.slice(0, LONGEST - 1)}…` : one.text;
    flag.append(iconElement('flag'), text);
    flag.addEventListener('click', () => this.onOpen(one));
    for (const name of ['pointerdown', 'dblclick']) flag.addEventListener(name, (event) => event.stopPropagation());
    flag.addEventListener('keydown', (event) => (event.key === 'Enter' || event.key === ' ') && event.stopPropagation());
    box.append(flag);
    this.root.append(box);
    const kept = { box, flag, version: one.version, width: flag.offsetWidth };
    this.#kept.set(one.id, kept);
    return kept;
  }
}

/** The first row that is free from a place on, and is taken now. @param {number[]} free @param {number} from @param {number} width */
export function rowFor(free, from, width) {
  let row = free.findIndex((until) => until <= from);
  if (row < 0) row = free.length;
  free[row] = from + width + GAP_PX;
  return row;
}

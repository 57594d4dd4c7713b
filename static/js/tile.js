// @ts-check
/**
 * One channel on the overview, while it is seen. It builds its elements once and then only changes what has changed,
 * because a hundred of them get ten values a second.
 */

import { formatUtc } from './ages.js';
import { paintDigits, setText } from './digits.js';
import { iconElement } from './icons.js';
import { Spark, sparkShape } from './spark.js';
import { periodOf, STATES } from './states.js';
import { footText, tileFace } from './tile_face.js';

/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {import('./stream.js').Stream} Stream */
/** @typedef {import('./tile_face.js').TileFace} TileFace */

const OFF = new Set(['no_signal', 'no_value', 'offline', 'connecting', 'disabled']);
const SMALLEST_FIT = 0.45; // longer ones end in an ellipsis
const DEVICE_STATES = new Set(['offline', 'connecting', 'stuck', 'disabled']);

/** @param {string} tag @param {string} name @param {...(Node | string)} children */
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...children);
  return element;
}

/**
 * The classes that give a tile its looks.
 * @param {TileFace} face
 */
export function tileClasses({ state, isSimulated }) {
  const classes = ['tile'];
  if (isSimulated) classes.push('is-sim');
  if (OFF.has(state)) classes.push('is-off');
  if (state === 'stale') classes.push('is-stale');
  if (state === 'fault' || state === 'alarm' || state === 'stuck') classes.push('is-alarm');
  if (state === 'warning') classes.push('is-warn');
  return classes.join(' ');
}

function simulatedMark() {
  return make('span', 'st c-sim', iconElement('sim'), make('span', 'vh', STATES.simulated.word));
}

/** The one thing of a tile that is always there. @param {Channel} channel */
export const nameElement = ({ label, name }) => make('span', 'name', label || name);

export class Tile {
  #number = make('span', 'num');
  #value;
  #fitted = '';
  #prefix = document.createTextNode('');
  #unit = make('span', 'unit');
  #age = make('span', 'age');
  #note = make('span', 'span');
  #spark = new Spark();
  #ageText = document.createTextNode('');
  /** What the age cell shows: its badges, or that it is an age. */
  #ageShape = '';
  #range = { low: NaN, high: NaN };
  /** @type {TileFace} */
  face;

  /**
   * @param {HTMLElement} element is filled, behind the name
   * @param {Stream} stream
   * @param {Channel} channel
   * @param {() => Device} device
   * @param {boolean} isCompact narrow: the age stands in the place of the sparkline's scale
   */
  constructor(element, stream, channel, device, isCompact) {
    this.element = element;
    this.isCompact = isCompact;
    this.stream = stream;
    this.channel = channel;
    this.device = device;
    this.#value = make('span', 'val', this.#prefix, this.#number, this.#unit);
    element.append(this.#age, this.#value, make('span', 'foot', this.#spark.element, this.#note));
    this.face = this.#judge(0, null);
  }

  /**
   * Brings text and state up to date; cheap where nothing has changed.
   * @param {number} now Unix seconds by the server's clock
   * @param {number | null} lostAt
   */
  paint(now, lostAt) {
    const face = this.#judge(now, lostAt);
    const classes = tileClasses(face);
    if (this.element.className !== classes) this.element.className = classes;
    paintDigits(this.#number, face.value, this.channel);
    if (this.#prefix.data !== face.prefix) this.#prefix.data = face.prefix;
    setText(this.#unit, face.value === null ? '' : this.channel.unit);
    this.#paintAge(face, lostAt !== null);
    setText(this.#note, this.isCompact && !face.note ? face.age : footText(face, this.channel, this.#range));
    this.#placeNote(DEVICE_STATES.has(face.state));
    this.face = face;
  }

  /**
   * Makes a value that is too long for its tile smaller, because digits that are cut off are another number.
   * It measures only when the length has changed, or the card, because to measure is to lay out the page.
   * @param {number} width of the card
   */
  fit(width) {
    const key = `${this.#number.textContent?.length} ${this.#unit.textContent} ${this.#prefix.data} ${width}`;
    if (key === this.#fitted) return;
    this.#fitted = key;
    this.#value.style.removeProperty('--fit');
    const { clientWidth } = this.#value;
    const excess = this.#number.scrollWidth - this.#number.clientWidth;
    const fit = Math.max(SMALLEST_FIT, clientWidth / (clientWidth + excess) - 0.01);
    if (excess > 0) this.#value.style.setProperty('--fit', fit.toFixed(3));
  }

  /**
   * Draws the sparkline anew; once or twice a second is enough.
   * @param {number} now
   */
  paintSpark(now) {
    const hasNone = this.channel.kind === 'nominal' || DEVICE_STATES.has(this.face.state);
    this.#spark.element.hidden = hasNone;
    if (!hasNone) {
      const stretches = this.stream.trace.stretches(now, periodOf(this.channel, this.device()));
      const shape = sparkShape(stretches, now, this.face.isSilent, this.channel.scientific);
      this.#spark.paint(shape);
      this.#range = shape;
    }
    this.#paintTitle();
  }

  /** @param {number} now @param {number | null} lostAt */
  #judge(now, lostAt) {
    const { stream, channel } = this;
    return tileFace({ channel, device: this.device(), reading: stream.reading, last: stream.trace.last }, now, lostAt);
  }

  /** Without a sparkline the note has the whole width. @param {boolean} isAlone */
  #placeNote(isAlone) {
    const classes = isAlone ? 'span last' : 'span';
    if (this.#note.className !== classes) this.#note.className = classes;
  }

  /** @param {TileFace} face @param {boolean} isLost */
  #paintAge(face, isLost) {
    const isAged = !face.badge && !DEVICE_STATES.has(face.state);
    const shape = `${isAged ? '' : face.state}|${face.isSimulated}|${isLost}|${face.age === ''}`;
    if (shape !== this.#ageShape) {
      this.#ageShape = shape;
      this.#age.replaceChildren(...this.#ageContent(face, isLost));
    }
    const text = face.badge || face.age;
    if (this.#ageText.data !== text) this.#ageText.data = text;
  }

  /**
   * A badge replaces the age. Where the whole device is simulated its card has the badge, and each tile the shape
   * beside its age; where only this channel is, the tile has the badge.
   * @param {TileFace} face
   * @param {boolean} isLost
   * @returns {Node[]}
   */
  #ageContent(face, isLost) {
    const isDevices = this.device().simulated;
    const simulated = !face.isSimulated ? [] : isDevices ? [simulatedMark()] : [this.#badge('simulated')];
    if (face.badge) return [...simulated, this.#badge(face.state)];
    if (!face.age || DEVICE_STATES.has(face.state) || (simulated.length && !isDevices)) return simulated;
    return [...simulated, ...(isLost ? [iconElement('stale')] : []), make('span', '', this.#ageText, make('span', 'vh', ' ago'))];
  }

  /** @param {import('./states.js').StateName} name */
  #badge(name) {
    const { icon, tone, word } = STATES[name];
    return make('span', `st badge c-${tone}`, iconElement(icon), name === 'simulated' ? word : this.#ageText);
  }

  #paintTitle() {
    const { channel, stream } = this;
    const when = stream.reading ? `\nlast reading ${formatUtc(stream.reading.t)}` : '';
    const title = `${channel.path}${channel.description ? `: ${channel.description}` : ''}${when}`;
    if (this.element.title !== title) this.element.title = title;
  }
}

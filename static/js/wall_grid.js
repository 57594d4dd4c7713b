// @ts-check
/** The grid of the wall screen: it measures how large the digits can be, because fonts differ, and paints the tiles. */

import { formatAge, formatMinute } from './ages.js';
import { paintDigits, setText } from './digits.js';
import { drawings } from './frames.js';
import { iconElement } from './icons.js';
import { Spark, SPARK_TICKS, sparkShape } from './spark.js';
import { periodOf, STATES } from './states.js';
import { tileFace } from './tile_face.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./tile_face.js').TileFace} TileFace */

const TRY_SIZE = 8.6; // in the wall's own unit, only to measure with
const ROW_SHARE = 0.5;
const COLUMN_SHARE = 0.985;
const FULL_ROW = 9.5; // in lower rows the words must become smaller, too
const SHORT_TURNS = 120; // ticks: who becomes shorter for a moment makes nobody's digits larger
const COLUMNS = [2, 1, 3, 4, 5, 6, 7, 8]; // two where others are hardly better
const SMALLEST_WORD = 0.3; // of the digits: a longer text ends in an ellipsis

/**
 * How many columns let the digits be largest. Pure.
 * @param {object} of
 * @param {number} of.tiles how many
 * @param {number} of.width of the wall, in pixels
 * @param {number} of.height
 * @param {number} of.aspect of the widest value: width by height of its digits
 */
export function bestColumns({ tiles, width, height, aspect }) {
  let best = { columns: Math.min(2, Math.max(1, tiles)), size: 0 };
  for (const columns of COLUMNS) {
    const rows = Math.ceil(tiles / columns);
    const size = Math.min(width / columns / aspect, (height / rows) * ROW_SHARE);
    if (columns <= tiles && size > best.size * 1.05) best = { columns, size };
  }
  return best.columns;
}

/**
 * What stands over each value: its channel, and its device where another channel is called the same. Pure.
 * @param {import('./overview_filter.js').Card[]} cards
 * @returns {{name: string, of: string}[]}
 */
export function wallNames(cards) {
  const all = cards.flatMap(({ device, channels }) => channels.map((channel) => ({ name: channel.label || channel.name, of: device.title })));
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { name } of all) counts.set(name, (counts.get(name) ?? 0) + 1);
  return all.map(({ name, of }) => ({ name, of: counts.get(name) === 1 ? '' : of }));
}

/** @param {string} tag @param {string} name @param {...(Node | string)} children */
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...children);
  return element;
}

/** One value on the wall. */
class WallTile {
  number = make('span', 'num');
  #prefix = document.createTextNode('');
  #unit = make('span', 'unit');
  #spark = new Spark();
  #words = make('span', 'wwords');
  #shape = '';
  #text = document.createTextNode('');
  #since = make('span', 'since');
  big = make('p', 'big', this.#prefix, this.number, this.#unit);
  element;

  /** @param {App} app @param {string} device @param {Channel} channel @param {{name: string, of: string}} names */
  constructor(app, device, channel, { name, of }) {
    this.app = app;
    this.device = device;
    this.channel = channel;
    this.stream = app.store.stream(channel.path);
    this.big.classList.toggle('text', this.isWords);
    const head = make('h2', '', name, ...(of ? [' ', make('span', 'of', of)] : []));
    this.element = make('section', 'wt', make('header', '', head, this.#words, this.#spark.element), this.big);
  }

  /** Words, which may be long, do not make everybody's digits small. */
  get isWords() {
    return this.channel.kind === 'nominal';
  }

  /** @param {number} now @param {number | null} lostAt */
  face(now, lostAt) {
    const device = this.app.store.devices.get(this.device);
    const { channel, stream: { reading, trace } } = this;
    return device ? tileFace({ channel, device, reading, last: trace.last }, now, lostAt) : null;
  }

  /** @param {number} now @param {number | null} lostAt */
  paint(now, lostAt) {
    const face = this.face(now, lostAt);
    if (!face) return;
    const isAlarm = face.state === 'alarm' || face.state === 'fault' || face.state === 'stuck';
    const isQuiet = !isAlarm && (face.isSilent || lostAt !== null);
    const classes = `wt${isAlarm ? ' al' : ''}${isQuiet ? ' q' : ''}${face.isSimulated ? ' is-sim' : ''}`;
    if (this.element.className !== classes) this.element.className = classes;
    paintDigits(this.number, face.value, this.channel);
    const prefix = face.prefix && `${face.prefix}\u00a0`;
    if (this.#prefix.data !== prefix) this.#prefix.data = prefix;
    setText(this.#unit, face.value === null ? '' : this.channel.unit);
    this.#paintWords(face, now, lostAt);
  }

  /** Draws the sparkline anew. */
  draw = () => {
    const { store, connection: { status } } = this.app;
    const lostAt = status.phase === 'lost' ? status.lostAt : null;
    const now = store.now();
    const face = this.face(now, lostAt);
    const period_s = periodOf(this.channel, this.app.store.devices.get(this.device));
    this.#spark.element.hidden = !face || face.isSilent || this.channel.kind === 'nominal';
    if (this.#spark.element.hidden) return;
    const until = lostAt ?? now;
    this.#spark.paint(sparkShape(this.stream.trace.stretches(until, period_s), until, false, this.channel.scientific));
  };

  /** @param {TileFace} face @param {number} now @param {number | null} lostAt */
  #paintWords(face, now, lostAt) {
    const names = /** @type {import('./states.js').StateName[]} */ ([
      ...(face.state === 'ok' || face.state === 'simulated' ? [] : [face.state]), ...(face.isSimulated ? ['simulated'] : []),
    ]);
    const isAged = lostAt !== null && names.every((name) => name === 'simulated');
    const shape = `${names.join()}${isAged}`;
    if (shape !== this.#shape) {
      this.#shape = shape;
      const words = names.map((name) => this.#word(name));
      if (isAged) words.push(make('span', 'wst c-quiet', iconElement('stale'), this.#text));
      this.#words.replaceChildren(...words);
    }
    const [text, since] = isAged ? [face.age, ''] : this.#wordText(face, now);
    if (this.#text.data !== text) this.#text.data = text;
    setText(this.#since, since);
  }

  /** @param {import('./states.js').StateName} name */
  #word(name) {
    const { icon, tone, word } = STATES[name];
    return make('span', `wst c-${tone}`, iconElement(icon), ...(name === 'simulated' ? [word] : [this.#text, this.#since]));
  }

  /** The word, and for how long: that goes where a tile is narrow. @param {TileFace} face @param {number} now */
  #wordText({ state, badge, age }, now) {
    const { word } = STATES[state];
    const device = this.app.store.devices.get(this.device);
    if (state === 'stale') return [badge, ''];
    if (state === 'no_signal' || state === 'no_value' || state === 'fault') {
      const { last } = this.stream.trace;
      return [word, last ? `since ${formatMinute(last.t)}` : ''];
    }
    if (device && device.state !== 'online') return [word, `for ${formatAge(now - device.since)}`];
    return [state === 'ok' ? age : word, ''];
  }
}

/** All tiles of the wall; it follows the store until it is closed. */
export class WallGrid {
  /** @type {(() => void)[]} */
  #stops;
  /** The longest number that the size is for, and the texts. */
  #fitted = { longest: 0, words: '' };
  #shortTurns = 0;
  #turn = 0;

  /** @param {App} app @param {HTMLElement} box @param {import('./overview_filter.js').Card[]} cards */
  constructor(app, box, cards) {
    this.app = app;
    this.box = box;
    const names = wallNames(cards);
    this.tiles = cards.flatMap(({ device, channels }) => channels.map((channel) => ({ device: device.name, channel })))
      .map(({ device, channel }, i) => new WallTile(app, device, channel, names[i]));
    this.byStream = new Map(this.tiles.map((tile) => [tile.stream, tile]));
    box.replaceChildren(...this.tiles.map(({ element }) => element));
    this.#paint(this.tiles);
    this.#fit();
    const resize = new ResizeObserver(() => this.#fit());
    resize.observe(box);
    const { store, connection } = app;
    for (const { channel, stream } of this.tiles) if (channel.kind === 'numeric') store.follow(stream);
    this.#stops = [
      store.on('readings', (streams) => this.#paint([...streams].flatMap((stream) => this.byStream.get(stream) ?? []))),
      store.on('tick', () => this.#tick()),
      store.on('seeded', () => this.#sparks(this.tiles)),
      connection.on('status', () => this.#tick()),
      () => resize.disconnect(),
    ];
    this.#sparks(this.tiles);
  }

  close() {
    this.#stops.forEach((stop) => stop());
    this.tiles.forEach(({ draw }) => drawings.forget(draw));
  }

  get #lostAt() {
    const { phase, lostAt } = this.app.connection.status;
    return phase === 'lost' ? lostAt : null;
  }

  #tick() {
    this.#turn += 1;
    this.#paint(this.tiles);
    if (this.#turn % SPARK_TICKS === 0) this.#sparks(this.tiles);
    const { longest, words } = this.#textLengths();
    this.#shortTurns = longest < this.#fitted.longest ? this.#shortTurns + 1 : 0;
    if (longest > this.#fitted.longest || words !== this.#fitted.words || this.#shortTurns > SHORT_TURNS) this.#fit();
  }

  /** What decides over sizes: the longest number, and each text. */
  #textLengths() {
    const length = (/** @type {WallTile} */ { big }) => big.textContent?.length ?? 0;
    return {
      longest: Math.max(0, ...this.tiles.filter(({ isWords }) => !isWords).map(length)),
      words: this.tiles.filter(({ isWords }) => isWords).map(length).join(),
    };
  }

  /** @param {WallTile[]} tiles */
  #paint(tiles) {
    const now = this.app.store.now();
    for (const tile of tiles) tile.paint(now, this.#lostAt);
  }

  /** @param {WallTile[]} tiles */
  #sparks(tiles) {
    for (const tile of tiles) drawings.ask(tile.draw);
  }

  /** One digit size for all: the largest at which the longest value fits its column and half its row. */
  #fit() {
    if (!this.tiles.length) return;
    this.#fitted = this.#textLengths();
    const wall = /** @type {HTMLElement} */ (this.box.parentElement);
    wall.style.setProperty('--d', String(TRY_SIZE));
    for (const { big } of this.tiles) big.style.removeProperty('--d');
    const pixels = parseFloat(getComputedStyle(this.tiles[0].big).fontSize);
    const widths = this.tiles.map(({ big }) => contentWidth(big));
    const hasNumbers = this.tiles.some(({ isWords }) => !isWords);
    const widest = Math.max(1, ...widths.filter((_, i) => !hasNumbers || !this.tiles[i].isWords));
    const columns = this.#isPortrait() ? 1 : bestColumns({
      tiles: this.tiles.length, width: this.box.clientWidth, height: this.box.clientHeight, aspect: widest / pixels,
    });
    wall.style.setProperty('--columns', String(columns));
    const rows = Math.ceil(this.tiles.length / columns);
    const height = this.#rowHeight(rows);
    const unit = pixels / TRY_SIZE;
    wall.style.setProperty('--h', `${height}px`);
    wall.style.setProperty('--k', Math.min(1, height / unit / FULL_ROW).toFixed(3));
    const margins = this.tiles[0].element.clientWidth - this.tiles[0].big.clientWidth; // narrower in low rows
    const column = this.box.clientWidth / columns - margins - 2;
    const size = Math.min((column / widest) * COLUMN_SHARE * pixels, height * ROW_SHARE);
    wall.style.setProperty('--d', (size / unit).toFixed(3));
    this.tiles.forEach(({ big }, i) => {
      const room = (column * COLUMN_SHARE) / ((widths[i] * size) / pixels);
      if (room < 1) big.style.setProperty('--d', ((size / unit) * Math.max(room, SMALLEST_WORD)).toFixed(3));
    });
  }

  #isPortrait() {
    return matchMedia('(max-width: 719px), (orientation: portrait)').matches;
  }

  /** @param {number} rows */
  #rowHeight(rows) {
    return this.#isPortrait() ? this.tiles[0].element.clientHeight : this.box.clientHeight / rows;
  }
}

/** @param {HTMLElement} element */
function contentWidth(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  return range.getBoundingClientRect().width;
}

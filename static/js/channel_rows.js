// @ts-check
/**
 * The channels of one device as a table: value, unit, quality, age, the last ten minutes.
 *
 * Rows paint themselves, because they may get ten values a second; Preact only gives them their place.
 */

import { graphAddress } from './graph/view.js';
import { paintDigits, setText } from './digits.js';
import { formatUtc } from './ages.js';
import { iconElement } from './icons.js';
import { Spark, SPARK_TICKS, sparkShape } from './spark.js';
import { periodOf, STATES } from './states.js';
import { tileFace } from './tile_face.js';
import { html, useLayoutEffect, useRef } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').Device} Device */

/** @param {{app: App, device: Device}} props */
export function ChannelTable({ app, device }) {
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = JSON.stringify(device.channels); // a server that was started again may have other units for the same paths
  useLayoutEffect(() => (body.current ? showRows(app, body.current, device) : undefined), [app, device.name, shown]);
  if (device.channels.length === 0) return html`<p class="cf mute">This device has no channels.</p>`;
  return html`<table class="ct"><thead><tr><th scope="col">Channel</th><th scope="col" class="n">Value</th><th scope="col">Unit</th><th scope="col">Quality</th>
    <th scope="col" class="n">Age</th><th scope="col" class="sc">Last 10 min</th></tr></thead><tbody ref=${body}></tbody></table>`;
}

/** @param {App} app @param {HTMLElement} body @param {Device} known @returns {() => void} */
function showRows({ store, connection }, body, known) {
  const device = () => store.devices.get(known.name) ?? known;
  const rows = known.channels.map((channel) => new ChannelRow(store.stream(channel.path), channel, device));
  const byStream = new Map(rows.map((row) => [row.stream, row]));
  const lostAt = () => (connection.status.phase === 'lost' ? connection.status.lostAt : null);
  const paintAll = () => rows.forEach((row) => row.paint(store.now(), lostAt()));
  const paintSparks = () => {
    const now = lostAt() ?? store.now();
    rows.forEach((row) => row.paintSpark(now));
  };
  let turn = 0;
  for (const { channel, stream } of rows) if (channel.kind === 'numeric') store.follow(stream);
  body.replaceChildren(...rows.map(({ element }) => element));
  paintAll();
  paintSparks();
  const stops = [
    store.on('readings', (streams) => {
      for (const stream of streams) byStream.get(stream)?.paint(store.now(), lostAt());
    }),
    store.on('tick', () => {
      paintAll();
      turn = (turn + 1) % SPARK_TICKS;
      if (turn === 0) paintSparks();
    }),
    store.on('seeded', paintSparks),
    connection.on('status', paintAll),
  ];
  return () => stops.forEach((stop) => stop());
}

class ChannelRow {
  element = document.createElement('tr');
  #prefix = document.createTextNode('');
  #number = document.createElement('span');
  #quality = document.createElement('span');
  #age = document.createElement('td');
  #spark = new Spark();
  #shown = '';
  #isSilent = true;
  #value;

  /** @param {import('./stream.js').Stream} stream @param {Channel} channel @param {() => Device} device */
  constructor(stream, channel, device) {
    this.stream = stream;
    this.channel = channel;
    this.device = device;
    this.#number.className = 'num';
    this.#quality.className = 'qual';
    const value = document.createElement('b');
    value.append(this.#prefix, this.#number);
    this.#value = cell(channel.kind === 'numeric' ? 'n' : 'n words', value);
    this.#age.className = 'n dim';
    this.element.append(
      cell('', nameOf(channel)), this.#value, unitCell(channel), cell('', this.#quality), this.#age, cell('sc', this.#spark.element),
    );
  }

  /** @param {number} now @param {number | null} lostAt */
  paint(now, lostAt) {
    const { channel, stream } = this;
    const face = tileFace({ channel, device: this.device(), reading: stream.reading, last: stream.trace.last }, now, lostAt);
    paintDigits(this.#number, face.value, channel);
    if (this.#prefix.data !== face.prefix) this.#prefix.data = face.prefix && `${face.prefix} `;
    setText(this.#age, face.age || '–');
    this.element.classList.toggle('is-stale', face.isSilent || lostAt !== null);
    this.element.classList.toggle('is-sim', face.isSimulated);
    const shown = `${face.state} ${face.badge} ${face.isSimulated}`;
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#quality.replaceChildren(...qualityOf(face, this.device().simulated));
    }
    this.#isSilent = face.isSilent;
  }

  /** @param {number} now */
  paintSpark(now) {
    const isNumeric = this.channel.kind === 'numeric';
    this.#spark.element.hidden = !isNumeric;
    if (isNumeric) this.#spark.paint(sparkShape(this.stream.trace.stretches(now, periodOf(this.channel, this.device())), now, this.#isSilent, this.channel.scientific));
    const { reading } = this.stream;
    const title = reading ? `last reading ${formatUtc(reading.t)}` : '';
    if (this.#age.title !== title) this.#age.title = title;
    const words = isNumeric ? '' : String(reading?.value ?? '');
    if (this.#value.title !== words) this.#value.title = words; // the cell shows no more than three lines
  }
}

/** @param {string} className @param {...(Node | string)} children */
function cell(className, ...children) {
  const td = document.createElement('td');
  td.className = className;
  td.append(...children);
  return td;
}

/** @param {Channel} channel */
function unitCell({ unit }) {
  const td = cell('mute', unit);
  td.title = unit;
  return td;
}

/** @param {Channel} channel */
function nameOf({ path, label, name, description, kind }) {
  const link = document.createElement(kind === 'numeric' ? 'a' : 'span');
  link.className = 'cn';
  link.textContent = label || name;
  link.title = description ? `${path}: ${description}` : path;
  if (link instanceof HTMLAnchorElement) link.href = graphAddress([path]);
  return link;
}

/**
 * Where the whole device is simulated, its head has the badge and each row the shape.
 *
 * @param {import('./tile_face.js').TileFace} face @param {boolean} isDeviceSimulated @returns {Node[]}
 */
function qualityOf({ state, badge, isSimulated }, isDeviceSimulated) {
  const isFine = state === 'ok' || state === 'simulated';
  /** @type {Node[]} */
  const nodes = [];
  if (!isFine) nodes.push(badgeOf(state, badge));
  if (isSimulated && isDeviceSimulated) nodes.push(mark('st c-sim', iconElement('sim'), hidden(STATES.simulated.word)));
  if (isSimulated && !isDeviceSimulated) nodes.push(badgeOf('simulated', ''));
  if (isFine && (!isSimulated || isDeviceSimulated)) nodes.push(mark('dim', 'ok'));
  return nodes;
}

/** @param {import('./states.js').StateName} name @param {string} words */
function badgeOf(name, words) {
  const { icon, tone, word } = STATES[name];
  return mark(`st badge c-${tone}`, iconElement(icon), words || word);
}

/** @param {string} className @param {...(Node | string)} children */
function mark(className, ...children) {
  const span = document.createElement('span');
  span.className = className;
  span.append(...children);
  return span;
}

/** @param {string} text for those who listen */
function hidden(text) {
  return mark('vh', text);
}

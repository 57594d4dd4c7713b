// @ts-check
/**
 * The tiles of a card. One that is in view, or nearly, is painted as its readings come; the others are a link with a
 * name, so that thousands of them cost next to nothing. The trap: what nobody paints must not stand there either,
 * because who listens to the page, or searches it, would take it for live.
 */

import { drawings } from './frames.js';
import { watchNear } from './in_view.js';
import { SPARK_TICKS } from './spark.js';
import { nameElement, Tile } from './tile.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').Device} Device */

/** The place of a tile: empty but for its name while nobody sees it. */
class Place {
  element = document.createElement('a');
  isNear = false;
  #name;
  /** @type {Tile | null} */
  #tile = null;

  /** @param {CardTiles} card @param {Channel} channel */
  constructor(card, channel) {
    this.card = card;
    this.channel = channel;
    this.stream = card.app.store.stream(channel.path);
    this.#name = nameElement(channel);
    this.element.href = `/graph?streams=${encodeURIComponent(channel.path).replaceAll('%2F', '/')}`;
    this.element.dataset.path = channel.path;
    this.clear();
  }

  fill() {
    if (this.#tile) return;
    const { card, channel, element, stream } = this;
    this.#tile = new Tile(element, stream, channel, card.device, card.isCompact);
    if (channel.kind === 'numeric') card.app.store.follow(stream);
    this.paint();
    drawings.ask(this.draw);
  }

  clear() {
    drawings.forget(this.draw);
    drawings.forget(this.#fit);
    this.#tile = null;
    this.element.className = 'tile';
    this.element.removeAttribute('title');
    this.element.replaceChildren(this.#name);
  }

  paint() {
    this.#tile?.paint(this.card.app.store.now(), this.card.lostAt);
  }

  /** What may wait for its turn: the sparkline, and how large the digits can be; that behind all that is drawn, or each would be laid out by itself. */
  draw = () => {
    this.#tile?.paintSpark(this.card.lostAt ?? this.card.app.store.now());
    this.paint();
    drawings.ask(this.#fit);
  };

  #fit = () => this.#tile?.fit(this.card.width);
}

/** Fills a card with tiles and keeps those that are seen up to date, until it is closed. */
export class CardTiles {
  /** Of the card in pixels. */
  width = 0;
  #turn = 0;
  #places;
  /** @type {Set<Place>} */
  #filled = new Set();
  /** Of the tiles, while the card is near. @type {(() => void)[]} */
  #watches = [];
  /** @type {(() => void)[]} */
  #stops;

  /** @param {App} app @param {HTMLElement} box @param {string} name of the device @param {Channel[]} channels @param {boolean} isCompact */
  constructor(app, box, name, channels, isCompact) {
    this.app = app;
    this.isCompact = isCompact;
    const known = /** @type {Device} */ (app.store.devices.get(name));
    this.device = () => app.store.devices.get(name) ?? known;
    this.#places = channels.map((channel) => new Place(this, channel));
    box.replaceChildren(...this.#places.map(({ element }) => element));
    this.#stops = this.#listen(box);
  }

  close() {
    this.#stops.forEach((stop) => stop());
    this.#watch(false);
  }

  /** Since when there is no connection. */
  get lostAt() {
    const { phase, lostAt } = this.app.connection.status;
    return phase === 'lost' ? lostAt : null;
  }

  /** @param {HTMLElement} box @returns {(() => void)[]} */
  #listen(box) {
    const { store, connection } = this.app;
    const resize = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      this.#draw();
    });
    resize.observe(box);
    const [fillAll, clearUnseen] = [() => this.#places.forEach((place) => this.#fill(place)), () => this.#clearUnseen()];
    addEventListener('beforeprint', fillAll); // paper has no view
    addEventListener('afterprint', clearUnseen);
    return [
      watchNear(box, (isNear) => this.#watch(isNear)),
      () => resize.disconnect(),
      () => removeEventListener('beforeprint', fillAll),
      () => removeEventListener('afterprint', clearUnseen),
      store.on('readings', (streams) => this.#filled.forEach((place) => streams.has(place.stream) && place.paint())),
      store.on('tick', () => this.#tick()),
      store.on('seeded', () => this.#draw()),
      store.on('devices', () => this.#paint()),
      connection.on('status', () => {
        this.#paint();
        this.#draw();
      }),
    ];
  }

  /** Tiles of a card that is far away are not even watched. @param {boolean} isNear */
  #watch(isNear) {
    this.#watches.forEach((stop) => stop());
    this.#watches = isNear ? this.#places.map((place) => watchNear(place.element, (is) => this.#show(place, is))) : [];
    if (!isNear) this.#places.forEach((place) => this.#show(place, false));
  }

  /** @param {Place} place @param {boolean} isNear */
  #show(place, isNear) {
    place.isNear = isNear;
    if (isNear) this.#fill(place);
    else this.#clear(place);
  }

  /** @param {Place} place */
  #fill(place) {
    place.fill();
    this.#filled.add(place);
  }

  /** @param {Place} place */
  #clear(place) {
    if (this.#filled.delete(place)) place.clear();
  }

  #clearUnseen() {
    for (const place of this.#places) if (!place.isNear) this.#clear(place);
  }

  #paint() {
    this.#filled.forEach((place) => place.paint());
  }

  #draw() {
    this.#filled.forEach(({ draw }) => drawings.ask(draw));
  }

  #tick() {
    this.#paint();
    this.#turn = (this.#turn + 1) % SPARK_TICKS;
    if (this.#turn === 0) this.#draw();
  }
}

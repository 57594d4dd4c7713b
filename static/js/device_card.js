// @ts-check
/** A device on the overview: its head, and a tile for each channel. Tiles paint themselves; only the head is Preact's. */

import { formatAge } from './ages.js';
import { drawings } from './frames.js';
import { useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { rateText } from './numbers.js';
import { SPARK_TICKS } from './spark.js';
import { deviceState, STATES } from './states.js';
import { Tile } from './tile.js';
import { html, useLayoutEffect, useRef } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').Device} Device */

/**
 * @param {{app: App, device: Device, channels: Channel[], place: import('./card_layout.js').CardPlace}} props
 */
export function DeviceCard({ app, device, channels, place }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = JSON.stringify(channels); // a server that was started again may have other units for the same paths
  useLayoutEffect(() => showTiles(app, /** @type {HTMLElement} */ (box.current), device.name, channels, place.isCompact), [app, shown, place.isCompact]);
  const tiles = `tiles t${place.columns}${place.isCompact ? ' compact' : ''}`;
  return html`
    <section class="card w${place.span}" aria-label=${device.title}>
      <header>
        <h2><a href=${`/devices/${encodeURIComponent(device.name)}`}>${device.title}</a></h2>
        <span class="sub">${device.model}</span>
        ${device.simulated && html`<${StateBadge} name="simulated" />`}
        <span class="end"><${Rate} app=${app} device=${device} channels=${channels} /><${DeviceBadge} app=${app} device=${device} /></span>
      </header>
      <div class=${tiles} ref=${box}></div>
      ${!channels.length && html`<p class="nochan">No channels to show; <a href=${`/devices/${encodeURIComponent(device.name)}`}>its page</a> has the rest.</p>`}
    </section>`;
}

/** A state as a badge: shape, word and colour. @param {{name: import('./states.js').StateName}} props */
export function StateBadge({ name }) {
  const { icon, tone, word } = STATES[name];
  return html`<span class=${`st badge c-${tone}`}><${Icon} name=${icon} />${word}</span>`;
}

/** The achieved poll rate, as the readings arrive. @param {{app: App, device: Device, channels: Channel[]}} props */
function Rate({ app, device, channels }) {
  useTick(app);
  if (device.state !== 'online') return null;
  const seen = Math.max(0, ...channels.map((channel) => app.store.stream(channel.path).rate_hz ?? 0));
  const rate = seen || device.rate_hz;
  return rate ? html`<span class="rate">${rateText(rate)}</span>` : null;
}

/**
 * The state of a device, with how long where it is not running.
 * @param {{app: App, device: import('./shapes.js').DeviceStatus}} props
 */
export function DeviceBadge({ app, device }) {
  useTick(app);
  const isLost = useStatus(app).phase === 'lost';
  const isOnline = device.state === 'online';
  const state = STATES[isLost && isOnline ? 'unknown' : deviceState(device.state)];
  const since = isOnline ? '' : `, ${formatAge(app.store.now() - device.since)}`;
  return html`<span class="st c-${state.tone}" title=${device.reason || undefined}><${Icon} name=${state.icon} />${state.word}${since}</span>`;
}

/**
 * Fills a card with tiles and keeps them up to date.
 * @param {App} app
 * @param {HTMLElement} box
 * @param {string} name of the device
 * @param {Channel[]} channels
 * @param {boolean} isCompact
 * @returns {() => void} stops that
 */
function showTiles({ store, connection }, box, name, channels, isCompact) {
  const known = /** @type {Device} */ (store.devices.get(name));
  const device = () => store.devices.get(name) ?? known;
  const tiles = channels.map((channel) => new Tile(store.stream(channel.path), channel, device, isCompact));
  const byStream = new Map(tiles.map((tile) => [tile.stream, tile]));
  const lostAt = () => (connection.status.phase === 'lost' ? connection.status.lostAt : null);
  const paintAll = () => {
    const now = store.now();
    tiles.forEach((tile) => tile.paint(now, lostAt()));
  };
  const draws = tiles.map((tile) => () => {
    tile.paintSpark(lostAt() ?? store.now());
    tile.paint(store.now(), lostAt());
    tile.fit();
  });
  const drawAll = () => draws.forEach((draw) => drawings.ask(draw));
  let turn = 0;
  box.replaceChildren(...tiles.map((tile) => tile.element));
  paintAll();
  drawAll();
  const resize = new ResizeObserver(drawAll);
  resize.observe(box);
  const stops = [
    () => resize.disconnect(),
    store.on('readings', (streams) => {
      const now = store.now();
      for (const stream of streams) byStream.get(stream)?.paint(now, lostAt());
    }),
    store.on('tick', () => {
      paintAll();
      turn = (turn + 1) % SPARK_TICKS;
      if (turn === 0) drawAll();
    }),
    store.on('seeded', drawAll),
    store.on('devices', paintAll),
    connection.on('status', () => {
      paintAll();
      drawAll();
    }),
    () => draws.forEach((draw) => drawings.forget(draw)),
  ];
  return () => stops.forEach((stop) => stop());
}

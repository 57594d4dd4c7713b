// @ts-check
/** A device on the overview: its head, and a tile for each channel. Tiles paint themselves; only the head is Preact's. */

import { formatAge } from './ages.js';
import { CardTiles } from './card_tiles.js';
import { useNear, useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { rateText } from './numbers.js';
import { deviceState, STATES } from './states.js';
import { html, useLayoutEffect, useRef } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').Device} Device */

/**
 * @param {{app: App, device: Device, channels: Channel[], place: import('./card_layout.js').CardPlace}} props
 */
export function DeviceCard({ app, device, channels, place }) {
  const [card, box] = [useRef(/** @type {HTMLElement | null} */ (null)), useRef(/** @type {HTMLElement | null} */ (null))];
  const isNear = useNear(card);
  const shown = useSame(channels);
  useLayoutEffect(() => {
    const tiles = new CardTiles(app, /** @type {HTMLElement} */ (box.current), device.name, shown, place.isCompact);
    return () => tiles.close();
  }, [app, shown, place.isCompact]);
  const tiles = `tiles t${place.columns}${place.isCompact ? ' compact' : ''}`;
  return html`
    <section class="card w${place.span}" style=${{ '--tiles': channels.length }} aria-label=${device.title} ref=${card}>
      <header>
        <h2><a href=${`/devices/${encodeURIComponent(device.name)}`}>${device.title}</a></h2>
        <span class="sub">${device.model}</span>
        ${device.simulated && html`<${StateBadge} name="simulated" />`}
        <span class="end">${isNear && html`<${Rate} app=${app} device=${device} channels=${channels} />`}<${DeviceBadge} app=${app} device=${device} isSeen=${isNear} /></span>
      </header>
      <div class=${tiles} ref=${box}></div>
      ${!channels.length && html`<p class="nochan">No channels to show; <a href=${`/devices/${encodeURIComponent(device.name)}`}>its page</a> has the rest.</p>`}
    </section>`;
}

/**
 * The channels of before, as long as they say the same: a server that was started again may have other units for the
 * same paths.
 * @param {Channel[]} channels
 */
function useSame(channels) {
  const known = useRef(channels);
  const before = known.current;
  const isSame = channels.length === before.length
    && (channels.every((channel, i) => channel === before[i]) || JSON.stringify(channels) === JSON.stringify(before));
  if (!isSame) known.current = channels;
  return known.current;
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
 * The state of a device, with how long where it is not running; while nobody sees it without that, which would become untrue.
 * @param {{app: App, device: import('./shapes.js').DeviceStatus, isSeen?: boolean}} props
 */
export function DeviceBadge({ app, device, isSeen = true }) {
  useTick(app, isSeen);
  const isLost = useStatus(app).phase === 'lost';
  const isOnline = device.state === 'online';
  const state = STATES[isLost && isOnline ? 'unknown' : deviceState(device.state)];
  const since = isOnline || !isSeen ? '' : `, ${formatAge(app.store.now() - device.since)}`;
  return html`<span class="st c-${state.tone}" title=${device.reason || undefined}><${Icon} name=${state.icon} />${state.word}${since}</span>`;
}

// @ts-check
/** The overview: a card for each device, a tile for each channel, filters above. */

import { ConnectionBanner } from './banner.js';
import { placeCards } from './card_layout.js';
import { DeviceCard } from './device_card.js';
import { useDevices, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { countText } from './numbers.js';
import { cardsOf, countStates, groupsOf, isShown } from './overview_filter.js';
import { describe } from './router.js';
import { STATES } from './states.js';
import { tileState } from './tile_face.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./overview_filter.js').Card} Card */

const SHORT_DIGITS = 2;

export const title = () => 'Overview';

/** @param {import('./shapes.js').PageProps} props */
export default function Overview({ app, location }) {
  const devices = useDevices(app);
  const [filter, setFilter] = useState(filterOf(location));
  useLayoutEffect(() => setFilter(filterOf(location)), [location]); // a link to this page, from it
  const query = queryOf(filter);
  useEffect(() => describe(query), [filter]);
  const cards = cardsOf(devices, filter);
  return html`
    <main class="wrap" id="main" tabindex="-1">
      <h1 class="vh">Overview</h1>
      <div class="bar">
        <${Search} value=${filter.search} onChange=${(/** @type {string} */ search) => setFilter({ ...filter, search })} />
        <${Groups} devices=${devices} chosen=${filter.group} onChoose=${(/** @type {string} */ group) => setFilter({ ...filter, group })} />
        <${StateCounts} app=${app} />
        <a class="btn wallbtn" href=${wallAddress(query)}><${Icon} name="wall" />Wall</a>
      </div>
      <${ConnectionBanner} app=${app} />
      <${Cards} app=${app} cards=${cards} />
      ${app.store.isLoaded && !cards.length && html`<${Nothing} filter=${filter} hasDevices=${devices.length > 0} onClear=${() => setFilter({ group: '', search: '' })} />`}
    </main>`;
}

/** @param {import('./shapes.js').PageLocation} location */
function filterOf({ query }) {
  return { group: query.get('group') ?? '', search: query.get('q') ?? '' };
}

/** @param {{group: string, search: string}} filter */
function queryOf({ group, search }) {
  const query = new URLSearchParams();
  if (group) query.set('group', group);
  if (search) query.set('q', search);
  return query;
}

/** @param {URLSearchParams} query */
function wallAddress(query) {
  const wall = new URLSearchParams(query);
  wall.set('kiosk', '1');
  return `/?${wall}`;
}

/** @param {{app: App, cards: Card[]}} props */
function Cards({ app, cards }) {
  const places = placeCards(cards.map(({ channels }) => ({
    tiles: channels.length,
    isShort: channels.every((channel) => channel.digits <= SHORT_DIGITS && !channel.scientific),
  })));
  return html`<div class="cards">${cards.map(({ device, channels }, i) => html`
    <${DeviceCard} key=${device.name} app=${app} device=${device} channels=${channels} place=${places[i]} />`)}</div>`;
}

/** @param {{value: string, onChange: (value: string) => void}} props */
function Search({ value, onChange }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => { // the key works as soon as the field can be seen
    const focus = (/** @type {KeyboardEvent} */ event) => {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]');
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const clear = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape') onChange('');
  };
  return html`<label class="field search"><${Icon} name="search" /><span class="vh">Search channels</span>
    <input ref=${input} type="search" placeholder="Search channels" value=${value} onKeyDown=${clear}
      onInput=${(/** @type {any} */ event) => onChange(event.currentTarget.value)} /><kbd aria-hidden="true">/</kbd></label>`;
}

/** @param {{devices: import('./shapes.js').Device[], chosen: string, onChoose: (group: string) => void}} props */
function Groups({ devices, chosen, onChoose }) {
  const groups = groupsOf(devices);
  if (groups.length < 2) return null;
  const choices = /** @type {[string, string, number][]} */ ([['', 'All', devices.length], ...groups.map(([group, count]) => [group, group, count])]);
  return html`<div class="seg groups fade" role="group" aria-label="Groups">${choices.map(([group, name, count]) => html`
    <button type="button" aria-pressed=${String(group === chosen)} onClick=${() => onChoose(group)}>${name} <span class="dim">${count}</span></button>`)}</div>`;
}

/** @param {{app: App}} props */
function StateCounts({ app }) {
  useTick(app);
  const now = app.store.now();
  const states = [...app.store.devices.values()].flatMap((device) => device.channels.filter(isShown).map((channel) => {
    const { reading } = app.store.stream(channel.path);
    return tileState({ channel, device, reading }, now);
  }));
  return html`<ul class="states fade" aria-label="Channels by state">${countStates(states).map(([name, count]) => html`
    <li key=${name}><span class="st c-${STATES[name].tone}"><${Icon} name=${STATES[name].icon} />${countText(count)} ${name === 'ok' ? 'ok' : STATES[name].word.toLowerCase()}</span></li>`)}</ul>`;
}

/** @param {{filter: {group: string, search: string}, hasDevices: boolean, onClear: () => void}} props */
function Nothing({ filter, hasDevices, onClear }) {
  if (!hasDevices) return html`<p class="empty">No device is configured. Add one to config.yaml and start labmon again.</p>`;
  const where = filter.group ? ` in ${filter.group}` : '';
  return html`<p class="empty">No channel matches “${filter.search}”${where}. <button class="btn small" type="button" onClick=${onClear}>Show all</button></p>`;
}

// @ts-check
/** The wall screen, `/?kiosk=1`: every value as large as the longest one allows. It takes the same filters as the overview. */

import { formatClock } from './ages.js';
import { useDevices, useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { cardsOf, countStates } from './overview_filter.js';
import { useRefusal } from './refusal.js';
import { navigate } from './router.js';
import { Clock } from './shell.js';
import { STATES } from './states.js';
import { tileState } from './tile_face.js';
import { reloadSoon } from './upgrade.js';
import { html, useEffect, useLayoutEffect, useRef } from './vendor.js';
import { WallGrid } from './wall_grid.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./overview_filter.js').Card} Card */

export const title = () => 'Wall';
export const styles = ['/static/css/wall.css'];

/** @param {import('./shapes.js').PageProps} props */
export default function Wall({ app, location }) {
  const devices = useDevices(app);
  const group = location.query.get('group') ?? '';
  const cards = cardsOf(devices, { group, search: location.query.get('q') ?? '' });
  const overview = overviewAddress(location.query);
  useEffect(() => leaveOnEscape(overview), [overview]);
  useEffect(stayAwake, []);
  const { isOutdated } = useStatus(app);
  useEffect(() => {
    if (isOutdated) reloadSoon();
  }, [isOutdated]);
  return html`
    <main class="wall" id="main">
      <${WallHead} app=${app} cards=${cards} group=${group} />
      <${Grid} app=${app} cards=${cards} />
      ${app.store.isLoaded && !cards.some(({ channels }) => channels.length) && html`<p class="nothing">${emptyText(devices.length > 0, location.query)}</p>`}
      <a class="leave" href=${overview}>Leave the wall</a>
    </main>`;
}

/** Why nothing is on the wall. @param {boolean} hasDevices @param {URLSearchParams} query */
function emptyText(hasDevices, query) {
  if (!hasDevices) return 'No device is configured. Add one to config.yaml and start labmon again.';
  const wanted = [query.get('group') && `group “${query.get('group')}”`, query.get('q') && `“${query.get('q')}”`].filter(Boolean);
  return wanted.length ? `No channel matches ${wanted.join(' and ')}, which stands in the address of this page.` : 'No device has a channel to show.';
}

/** The overview with the same filters. @param {URLSearchParams} query */
function overviewAddress(query) {
  const rest = new URLSearchParams(query);
  rest.delete('kiosk');
  return rest.size ? `/?${rest}` : '/';
}

/** @param {string} overview */
function leaveOnEscape(overview) {
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape') navigate(overview);
  };
  addEventListener('keydown', leave);
  return () => removeEventListener('keydown', leave);
}

/** Keeps the screen on where the browser can. */
function stayAwake() {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  const ask = () => {
    if (document.visibilityState !== 'visible') return;
    navigator.wakeLock?.request('screen').then((granted) => { lock = granted; }, () => { lock = null; });
  };
  ask();
  document.addEventListener('visibilitychange', ask);
  return () => {
    document.removeEventListener('visibilitychange', ask);
    lock?.release();
  };
}

/** @param {{app: App, cards: Card[], group: string}} props */
function WallHead({ app, cards, group }) {
  useTick(app);
  const status = useStatus(app);
  const isLost = status.phase === 'lost';
  const now = app.store.now();
  const states = cards.flatMap(({ device, channels }) => channels.map((channel) => {
    const { reading } = app.store.stream(channel.path);
    return tileState({ channel, device, reading }, now);
  }));
  const counts = countStates(states).filter(([name]) => name !== 'ok');
  return html`
    <header class="wh">
      <h1>${group || status.title}</h1>
      <div class="wstates">${!isLost && counts.map(([name, count]) => html`
        <${Word} key=${name} name=${name} text=${`${count} ${STATES[name].word.toLowerCase()}`} />`)}</div>
      <span class="wend">${isLost ? html`<${Lost} app=${app} lostAt=${status.lostAt} />` : html`<span class="wst c-ok"><${Icon} name="ok" />Live</span>`}
        <${Clock} app=${app} /></span>
    </header>`;
}

/** @param {{name: import('./states.js').StateName, text: string}} props */
function Word({ name, text }) {
  return html`<span class=${`wst c-${STATES[name].tone}`}><${Icon} name=${STATES[name].icon} />${text}</span>`;
}

/** @param {{app: App, lostAt: number | null}} props */
function Lost({ app, lostAt }) {
  const word = useRefusal(app) ? 'Not let in' : 'Not connected';
  return html`<span class="wst wlost" role="status"><${Icon} name="off" />${word} since ${lostAt === null ? '' : formatClock(lostAt)}</span>`;
}

/** @param {{app: App, cards: Card[]}} props */
function Grid({ app, cards }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = JSON.stringify(cards.map(({ device, channels }) => [device.title, channels])); // units too: a server may come back with others
  useLayoutEffect(() => {
    const grid = new WallGrid(app, /** @type {HTMLElement} */ (box.current), cards);
    return () => grid.close();
  }, [app, shown]);
  return html`<div class="wg" ref=${box}></div>`;
}

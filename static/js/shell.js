// @ts-check
/** What is around every page: the bar with the pages and the connection, the bottom bar of phones, and the page's place. */

import { formatClock, formatUtc, zoneName } from './ages.js';
import { stylesheet } from './assets.js';
import { useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { countText } from './numbers.js';
import { theme, toggleTheme } from './theme.js';
import { html, render, useEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').PageLocation} PageLocation */

/** @type {{href: string, name: string, icon: import('./icons.js').IconName}[]} */
const PAGES = [
  { href: '/', name: 'Overview', icon: 'grid' },
  { href: '/graph', name: 'Graph', icon: 'graph' },
  { href: '/devices', name: 'Devices', icon: 'sliders' },
  { href: '/streams', name: 'Streams', icon: 'more' },
  { href: '/status', name: 'Status', icon: 'check' },
];

/** Counts the changes of page, so that a slow one that comes late is not shown. */
let turn = 0;

/**
 * Loads a page and shows it.
 * @param {App} app
 * @param {import('./router.js').Match | null} match
 * @param {PageLocation} location
 */
export async function showPage(app, match, location) {
  const mine = ++turn;
  let page;
  try {
    page = match ? await match.loader() : { default: NotFound, title: () => 'Not found' };
    await Promise.all((page.styles ?? []).map(stylesheet));
  } catch {
    page = { default: NotLoaded, title: () => 'Not loaded' };
  }
  if (mine !== turn) return;
  document.title = `${page.title?.(location) ?? 'labmon'} · labmon`;
  const isWall = location.path === '/' && location.query.get('kiosk') === '1';
  const root = /** @type {HTMLElement} */ (document.getElementById('app'));
  const isFirst = !root.firstChild;
  render(html`<${Shell} app=${app} location=${location} page=${page.default} isWall=${isWall} />`, root);
  if (!isFirst) beginPage();
}

/** A new page begins at its top, for eyes and for the keyboard. */
function beginPage() {
  scrollTo(0, 0);
  document.getElementById('main')?.focus({ preventScroll: true });
}

/** @param {{app: App, location: PageLocation, page: any, isWall: boolean}} props */
function Shell({ app, location, page, isWall }) {
  const status = useStatus(app);
  useEffect(() => {
    document.body.classList.toggle('lost', status.phase === 'lost');
  }, [status.phase]);
  const content = html`<${page} key=${location.path} app=${app} location=${location} />`;
  if (isWall) return content;
  return html`
    <a class="skip" href="#main">Skip to the page</a>
    <${TopBar} app=${app} status=${status} path=${location.path} />
    ${content}
    <nav class="bottomnav" aria-label="Pages">${PAGES.map(({ href, name, icon }) => html`
      <a href=${href} aria-current=${isCurrent(href, location.path) ? 'page' : undefined}><${Icon} name=${icon} />${name}</a>`)}
    </nav>`;
}

/** @param {{app: App, status: import('./connection.js').Status, path: string}} props */
function TopBar({ app, status, path }) {
  return html`
    <header class="top">
      <a class="brand" href="/"><${Logo} />labmon</a>
      <nav class="nav" aria-label="Pages">${PAGES.map(({ href, name }) => html`
        <a href=${href} aria-current=${isCurrent(href, path) ? 'page' : undefined}>${name}</a>`)}
      </nav>
      <div class="end"><${Pulse} app=${app} status=${status} /><${Clock} app=${app} /><${ThemeButton} /></div>
    </header>`;
}

function Logo() {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="1" y="1" width="18" height="18" rx="5" fill="currentColor" />
    <path d="M4 11.2h2.6l1.7-5 3 8 1.7-4.4.6 1.4H16" fill="none" stroke="var(--on-accent)" stroke-width="1.6" stroke-linecap="round"
      stroke-linejoin="round" /></svg>`;
}

/** Whether what is shown is live. @param {{app: App, status: import('./connection.js').Status}} props */
export function Pulse({ app, status }) {
  useTick(app);
  if (status.phase !== 'live') {
    const word = status.phase === 'lost' ? 'Not connected' : 'Connecting';
    return html`<span class="conn" role="status"><${Icon} name="off" /><b>${word}</b></span>`;
  }
  const title = `Connected to ${status.title}, node ${status.node}, labmon ${status.version}`;
  return html`<span class="conn" role="status" title=${title}><${Icon} name="ok" /><b>Live</b>
    <span class="hide-s" aria-hidden="true"> ${countText(app.store.rate_hz)} readings/s</span></span>`;
}

/** The server's time in the viewer's zone. @param {{app: App}} props */
export function Clock({ app }) {
  useTick(app);
  const now = app.store.now();
  return html`<time class="hide-s" title=${`${formatUtc(now)}; shown in ${zoneName(now)}`}>${formatClock(now)}</time>`;
}

export function ThemeButton() {
  const [shown, setShown] = useState(theme());
  const toggle = () => {
    toggleTheme();
    setShown(theme());
  };
  const label = shown === 'dark' ? 'Use the light theme' : 'Use the dark theme';
  return html`<button class="iconbtn" type="button" title=${label} aria-label=${label} onClick=${toggle}><${Icon} name="theme" /></button>`;
}

/** @param {import('./shapes.js').PageProps} props */
function NotFound({ location: { path } }) {
  return html`<main class="wrap words" id="main"><h1>There is no page <span class="code">${path}</span></h1><p><a class="link" href="/">Go to the overview</a></p></main>`;
}

function NotLoaded() {
  return html`<main class="wrap words" id="main"><h1>The page could not be loaded</h1>
    <p>The server did not send it. <button class="btn" type="button" onClick=${() => location.reload()}>Try again</button></p></main>`;
}

/** @param {string} href @param {string} path */
const isCurrent = (href, path) => (href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`));

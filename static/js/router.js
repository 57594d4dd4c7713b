// @ts-check
/**
 * Addresses to pages, by the history API. A page is a module whose default export is a Preact component with
 * `PageProps`; it may also export `title(location)` and `styles`. Links work as links: a click on one of ours is turned into a change of page.
 */

/** @typedef {import('./shapes.js').PageLocation} PageLocation */
/**
 * @typedef {object} PageModule
 * @property {(props: import('./shapes.js').PageProps) => any} default
 * @property {(location: PageLocation) => string} [title]
 * @property {string[]} [styles] addresses of style sheets that the page waits for
 */
/** @typedef {() => Promise<PageModule>} Loader */
/** @typedef {{loader: Loader, location: PageLocation}} Match */

/** @type {{pattern: string, regex: RegExp, loader: Loader}[]} */
const routes = [];

/** Whether links load a whole new document. */
let isPlain = false;

/** @type {Set<(match: Match | null, location: PageLocation) => void>} */
const listeners = new Set();

/**
 * Registers a page.
 * @param {string} pattern such as `/devices/:name`
 * @param {Loader} loader such as `() => import('./device.js')`
 */
export function route(pattern, loader) {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:(\w+)/g, '(?<$1>[^/]+)');
  routes.push({ pattern, regex: new RegExp(`^${source}/?$`), loader });
}

/**
 * The page at an address, null if there is none.
 * @param {URL} url
 * @returns {Match | null}
 */
export function match(url) {
  for (const { regex, loader } of routes) {
    const found = regex.exec(url.pathname);
    if (found) return { loader, location: locationOf(url, found.groups ?? {}) };
  }
  return null;
}

/**
 * Goes to an address of ours.
 * @param {string} address path and query
 * @param {{replace?: boolean}} [options] replace: do not add to the history
 */
export function navigate(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  announce();
}

/**
 * Changes the query in the address bar without telling the page: it describes what the page shows already.
 * @param {URLSearchParams} query
 * @param {{replace?: boolean}} [options]
 */
export function describe(query, { replace = true } = {}) {
  const text = query.toString().replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%3A', ':');
  const address = location.pathname + (text ? `?${text}` : '');
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
}

/**
 * Calls the listener with the present page and whenever it changes.
 * @param {(match: Match | null, location: PageLocation) => void} listener
 */
export function start(listener) {
  listeners.add(listener);
  addEventListener('popstate', announce);
  addEventListener('click', followLink);
  announce();
}

/** From now on links are left to the browser: the server has other modules than those of this page, and they must not be mixed. */
export function leaveLinks() {
  isPlain = true;
}

function announce() {
  const url = new URL(location.href);
  const found = match(url);
  for (const listener of listeners) listener(found, found?.location ?? locationOf(url, {}));
}

/** @param {MouseEvent} event */
function followLink(event) {
  if (isPlain || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link?.href || link.target || link.hasAttribute('download')) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !match(url)) return;
  event.preventDefault();
  navigate(url.pathname + url.search + url.hash);
}

/** Typed by hand it may be no valid escape: then as it stands. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/**
 * @param {URL} url
 * @param {Record<string, string>} groups
 * @returns {PageLocation}
 */
function locationOf(url, groups) {
  const params = Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, decoded(value)]));
  return { path: url.pathname, params, query: url.searchParams };
}

// @ts-check
/** The last commands of a device, from its audit stream: history first, then live. */

import { fetchData, request } from './api.js';
import { formatClock, formatMoment, formatUtc } from './ages.js';
import { callText, durationText, errorText, whoText } from './command_log.js';
import { Icon } from './icons.js';
import { GAP_RETRY_MS, notOftener } from './polling.js';
import { html, useEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {{t: number, audit: import('./command_log.js').Audit}} Entry */

const MOST = 12;
/** With more records than this, only those of the last day are fetched. */
const MANY = 2000;

/** @param {{app: App, name: string}} props of the device */
export function RecentCommands({ app, name }) {
  const [entries, setEntries] = useState(/** @type {Entry[] | null} */ (null));
  useEffect(() => follow(app, `${name}/_commands`, setEntries), [app, name]);
  if (!entries?.length) return html`<p class="log none mute">${entries ? 'No commands so far' : ''}</p>`;
  return html`<ol class="log">${entries.map(({ t, audit }) => html`<li key=${`${t} ${audit.command}`}>
    <time title=${formatUtc(t)}>${whenText(t, app.store.now())}</time>
    <div><p class="code">${callText(audit)}</p><p class="who">${whoText(audit)}</p></div>
    ${audit.ok === false
      ? html`<span class="st c-alarm" title=${errorText(audit)}><${Icon} name="x" /><span class="why">${errorText(audit)}</span></span>`
      : html`<span class="st okk"><${Icon} name="check" />${durationText(audit.duration_ms) || 'done'}</span>`}
  </li>`)}</ol>`;
}

/** @param {number} t @param {number} now */
function whenText(t, now) {
  return now - t < 43_200 ? formatClock(t) : formatMoment(t, now);
}

/**
 * @param {App} app @param {string} path @param {(entries: Entry[]) => void} show
 * @returns {() => void} ends it
 */
function follow({ connection }, path, show) {
  /** @type {Map<string, Entry>} */
  let known = new Map();
  let isOver = false;
  /** @type {import('./connection.js').Subscription | null} */
  let subscription = null;
  const take = (/** @type {number} */ t, /** @type {any} */ audit) => {
    if (audit && typeof audit === 'object' && audit.command) known.set(`${t} ${audit.command}`, { t, audit });
  };
  const publish = () => {
    const newest = [...known].sort(([, a], [, b]) => b.t - a.t).slice(0, MOST);
    known = new Map(newest); // a page that is open for weeks does not keep them all
    if (!isOver) show(newest.map(([, entry]) => entry));
  };
  const readings = (/** @type {import('./shapes.js').ReadingRow[]} */ rows) => {
    for (const [, t, value] of rows) take(t, value);
    publish();
  };
  const fetchHistory = async () => {
    const cursor = await history(path, take);
    if (isOver) return;
    publish();
    subscription?.close();
    subscription = connection.subscribe([path], { readings, gap: gaps.ask }, cursor);
  };
  const gaps = notOftener(fetchHistory, GAP_RETRY_MS);
  fetchHistory();
  return () => {
    isOver = true;
    gaps.stop();
    subscription?.close();
  };
}

/**
 * @param {string} path @param {(t: number, audit: any) => void} take
 * @returns {Promise<string | null>} the cursor from which live goes on
 */
async function history(path, take) {
  try {
    const { streams } = await request('streams', { path });
    if (streams.length === 0) return null; // nobody has sent a command yet
    const start = streams[0].count > MANY ? '-1d' : '-365d';
    const reply = await fetchData({ stream: path, start, end: 'now', granularity: 'raw' });
    const [columns] = reply.streams;
    columns?.t.forEach((t, i) => take(t, columns.v?.[i]));
    return reply.cursor;
  } catch (error) {
    if (error instanceof Error) return null; // the banner says why; live goes on as soon as it can
    throw error;
  }
}

// @ts-check
/** How labmon itself is, in words: what `/metrics` says to Prometheus, read every two seconds. */

import { formatAge, formatMoment } from './ages.js';
import { ConnectionBanner } from './banner.js';
import { DeviceBadge } from './device_card.js';
import { useDevices, useStatus } from './hooks.js';
import { Icon } from './icons.js';
import { bytesFace, countText, significantText } from './numbers.js';
import { pollEvery } from './polling.js';
import { Telemetry } from './telemetry.js';
import { html, useEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {{now: Telemetry, before: Telemetry | null}} Look */
/** @typedef {{name: string, value: string, unit?: string, note?: string, isBad?: boolean}} Fact */

const EVERY_MS = 2000;
/** As a promise of the whole server: what waits longer than this would be seen by people. */
const LAG_S = 0.05;
const FEW_BYTES = 1e9;

export const styles = ['/static/css/status.css', '/static/css/device.css'];
export const title = () => 'Status';

/** @param {import('./shapes.js').PageProps} props */
export default function StatusPage({ app }) {
  const look = useLook(app);
  const devices = useDevices(app);
  const isLost = useStatus(app).phase === 'lost';
  const cards = look && !isLost ? [
    { name: 'Server', facts: serverFacts(look, app.store.now()) },
    { name: 'Store', facts: storeFacts(look) },
    { name: 'Live viewers', facts: liveFacts(look) },
  ] : [];
  const bad = cards.flatMap(({ facts }) => facts.filter(({ isBad }) => isBad));
  const off = devices.filter(({ state }) => state === 'offline' || state === 'stuck');
  return html`<main class="up" id="main"><${ConnectionBanner} app=${app} isStatus />
    <div><h1>Status</h1><p class="mute">${isLost ? 'Not known while there is no connection' : look && summary(bad, off)}</p></div>
    <div class="upc">${cards.map(({ name, facts }) => html`<section class="card" key=${name} aria-label=${name}><header><h2>${name}</h2></header>
      <dl>${facts.map((fact) => html`<${FactRow} key=${fact.name} fact=${fact} />`)}</dl></section>`)}</div>
    ${look && !isLost && devices.length > 0 && html`<${DeviceTable} app=${app} look=${look} devices=${devices} />`}
  </main>`;
}

/** The newest look at the counters, and the one before. @param {App} app @returns {Look | null} */
function useLook({ store }) {
  const [look, setLook] = useState(/** @type {Look | null} */ (null));
  useEffect(() => {
    let isGone = false;
    const polling = pollEvery(async () => {
      const text = await fetchMetrics();
      if (text !== null && !isGone) setLook((/** @type {Look | null} */ known) => ({ now: new Telemetry(text, store.now()), before: known?.now ?? null }));
    }, EVERY_MS);
    return () => {
      isGone = true;
      polling.stop();
    };
  }, [store]);
  return look;
}

/** @returns {Promise<string | null>} null where the server does not answer: the banner says so */
async function fetchMetrics() {
  try {
    const response = await fetch('/metrics');
    return response.ok ? await response.text() : null;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** @param {Fact[]} bad @param {import('./shapes.js').Device[]} off */
function summary(bad, off) {
  const words = bad.map(({ name, value, unit }) => `${name}: ${value}${unit ? ` ${unit}` : ''}`);
  return [...words, ...off.map((device) => `${device.title}: ${device.state}`)].join(', ') || 'All is well';
}

/** @param {Look} look @param {number} at @returns {Fact[]} */
function serverFacts({ now, before }, at) {
  const started = now.value('process_start_time_seconds') ?? at;
  const cpu = now.rate(before, 'process_cpu_seconds_total');
  const bound = now.quantileBound('labmon_loop_lag_seconds', 0.99);
  const worst = now.value('labmon_loop_lag_worst_seconds') ?? 0;
  const wrong = now.value('labmon_http_answers_total', { status: '5xx' }) ?? 0;
  return [
    { name: 'Running for', value: formatAge(at - started), note: `since ${formatMoment(started, at)}` },
    lagFact(bound, worst),
    { name: 'Processor', ...number(cpu === null ? null : 100 * cpu), unit: '% of a core' },
    { name: 'Memory', ...bytes(now.value('process_resident_memory_bytes')) },
    { name: 'Connections', ...count(now, 'labmon_connections'), note: `${countText(now.value('labmon_refused_connections_total') ?? 0)} turned away` },
    { name: 'Requests failed', ...count(null, '', wrong), note: 'by a bug of labmon', isBad: wrong > 0 },
  ];
}

/** @param {number | null} bound @param {number} worst @returns {Fact} */
function lagFact(bound, worst) {
  const name = 'Reaction';
  if (bound === null) return { name, value: '–' };
  const within = bound === Infinity ? { value: 'over 1', unit: 's' } : { value: `within ${1000 * bound}`, unit: 'ms' };
  return { name, ...within, note: `in 99 of 100 cases, at worst ${significantText(1000 * worst, 2)} ms`, isBad: bound > LAG_S };
}

/** @param {Look} look @returns {Fact[]} */
function storeFacts({ now, before }) {
  const total = now.value('labmon_readings_total') ?? 0;
  const isHealthy = now.value('labmon_store_healthy') === 1;
  const lost = now.value('labmon_dropped_readings_total') ?? 0;
  const free = now.value('labmon_store_free_bytes');
  const size = now.value('labmon_store_bytes');
  return [
    { name: 'Recording', value: isHealthy ? 'yes' : 'no', note: isHealthy ? '' : 'the store takes no readings', isBad: !isHealthy },
    { name: 'Readings', ...number(now.rate(before, 'labmon_readings_total')), unit: '/s', note: `${countText(total)} since the start` },
    { name: 'Not yet on disk', ...count(null, '', Math.max(0, total - (now.value('labmon_durable_seq') ?? total))), note: bytesText(now.value('labmon_store_pending_bytes')) },
    commitFact(now, before),
    { name: 'Waiting to be recorded', ...count(now, 'labmon_recorder_waiting_readings') },
    ...spoolFacts(now),
    { name: 'Lost', ...count(null, '', lost), note: lost ? 'the store was away too long' : '', isBad: lost > 0 },
    { name: 'Streams', ...count(now, 'labmon_streams') },
    damageFact(now),
    ...retentionFacts(now),
    ...(size === null ? [] : [{ name: 'Size on disk', ...bytes(size), note: `${bytesText(free)} free`, isBad: free !== null && free < FEW_BYTES }]),
  ];
}

/** @param {Telemetry} now @param {Telemetry | null} before @returns {Fact} */
function commitFact(now, before) {
  const name = 'labmon_commit_duration_seconds';
  const bound = now.quantileBound(name, 0.99);
  const within = bound === Infinity ? 'over 5 s' : `within ${1000 * (bound ?? 0)} ms`;
  return { name: 'Commits', ...number(now.rate(before, `${name}_count`)), unit: '/s', note: bound === null ? '' : `99 of 100 ${within}` };
}

/** What was found damaged; the banner says it in sentences. @param {Telemetry} now @returns {Fact} */
function damageFact(now) {
  const of = (/** @type {string} */ name) => now.value(`labmon_store_${name}`) ?? 0;
  const [blocks, files, left] = [of('damaged_blocks') + of('lost_blocks'), of('set_aside_files'), of('salvage_files')];
  const many = (/** @type {number} */ number, /** @type {string} */ word) => `${countText(number)} ${word}${number === 1 ? '' : 's'}`;
  const parts = [blocks > 0 && many(blocks, 'block'), files > 0 && `${many(files, 'file')} set aside`].filter(Boolean);
  return { name: 'Damage', value: parts.join(', ') || 'none', note: left ? 'what they still have is being copied' : '', isBad: parts.length > 0 };
}

/** What waits for the store in files; nothing where nothing does. @param {Telemetry} now @returns {Fact[]} */
function spoolFacts(now) {
  const oldest = now.value('labmon_spool_oldest_timestamp_seconds') ?? 0;
  if (!oldest) return [];
  const note = `${bytesText(now.value('labmon_spool_disk_bytes'))}, since ${formatMoment(oldest, now.at)}`;
  return [{ name: 'Kept on disk meanwhile', ...count(now, 'labmon_spool_disk_readings'), note, isBad: true }];
}

/** What retention did since the start; nothing where it has nothing to do. @param {Telemetry} now @returns {Fact[]} */
function retentionFacts(now) {
  const removed = now.value('labmon_retention_removed_datapoints_total', { level: 'raw' }) ?? 0;
  const behind = now.value('labmon_retention_behind_seconds') ?? 0;
  if (!removed && !behind) return [];
  const ran = now.value('labmon_retention_last_run_timestamp_seconds') ?? now.at;
  const note = `${behind ? `${formatAge(behind)} are still to go` : 'all that was due'}, last run ${formatMoment(ran, now.at)}`;
  return [{ name: 'Removed by retention', ...count(null, '', removed), unit: removed === 1 ? 'reading' : 'readings', note }];
}

/** @param {Look} look @returns {Fact[]} */
function liveFacts({ now, before }) {
  const formats = now.all('labmon_live_clients');
  const all = formats.reduce((sum, { value }) => sum + value, 0);
  const each = formats.filter(({ value }) => value > 0).map(({ labels, value }) => `${countText(value)} ${labels.format}`);
  return [
    { name: 'Viewers', ...count(null, '', all), note: each.join(', ') },
    { name: 'Messages', ...number(now.rate(before, 'labmon_live_messages_total')), unit: '/s' },
    { name: 'Subscriptions that differ', ...count(now, 'labmon_live_topics') },
    { name: 'Behind now', ...count(now, 'labmon_live_blocked_clients'), note: bytesText(now.value('labmon_live_queued_bytes')) },
    { name: 'Cut because they took nothing', ...count(now, 'labmon_live_slow_clients_total') },
    { name: 'Readings left out for slow ones', ...count(now, 'labmon_live_skipped_readings_total') },
    { name: 'Queries under way', ...count(now, 'labmon_queries') },
  ];
}

/** @param {{fact: Fact}} props */
function FactRow({ fact: { name, value, unit, note, isBad } }) {
  return html`<div class=${isBad ? 'is-bad' : ''}><dt>${isBad && html`<span class="st c-warn"><${Icon} name="warn" /></span>`}${name}</dt>
    <dd><b>${value}</b>${unit && html` <span class="mute">${unit}</span>`}${note && html`<span class="dim note">${note}</span>`}</dd></div>`;
}

/** @param {{app: App, look: Look, devices: import('./shapes.js').Device[]}} props */
function DeviceTable({ app, look: { now, before }, devices }) {
  return html`<section class="card upd" aria-label="Devices"><table>
    <thead><tr><th scope="col">Device</th><th scope="col">State</th><th scope="col" class="n">Polls</th><th scope="col" class="n">Polls/s</th>
      <th scope="col" class="n">Errors</th><th scope="col" class="n">Missed</th><th scope="col" class="n">Dropped</th><th scope="col" class="n">Reconnects</th></tr></thead>
    <tbody>${devices.map((device) => {
      const of = (/** @type {string} */ key) => countText(now.value(`labmon_device_${key}_total`, { device: device.name }) ?? 0);
      const rate = now.rate(before, 'labmon_device_polls_total', { device: device.name });
      return html`<tr key=${device.name}><td><a href=${`/devices/${encodeURIComponent(device.name)}`}><b>${device.title}</b></a></td>
        <td><${DeviceBadge} app=${app} device=${device} /></td><td class="n">${of('polls')}</td><td class="n">${number(rate).value}</td>
        <td class="n">${of('errors')}</td><td class="n">${of('missed')}</td><td class="n">${of('dropped')}</td><td class="n">${of('reconnects')}</td></tr>`;
    })}</tbody></table></section>`;
}

/** @param {number | null} value */
const number = (value) => ({ value: value === null ? '–' : significantText(value, 3) });

/** @param {Telemetry | null} now @param {string} name @param {number | null} [value] */
function count(now, name, value = now?.value(name) ?? null) {
  return { value: value === null ? '–' : countText(value) };
}

/** @param {number | null} value @returns {{value: string, unit?: string}} */
const bytes = (value) => (value === null ? { value: '–' } : bytesFace(value));

/** @param {number | null} value */
function bytesText(value) {
  const { value: text, unit } = bytes(value);
  return unit ? `${text} ${unit}` : text;
}

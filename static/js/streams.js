// @ts-check
/** The list of all streams: what they hold and since when; several of them to a graph or into a file. */

import { formatAge, formatMoment, formatUtc } from './ages.js';
import { stylesheet } from './assets.js';
import { ConnectionBanner } from './banner.js';
import { StateBadge } from './device_card.js';
import { Digits } from './digits.js';
import { graphAddress, MAX_STREAMS } from './graph/view.js';
import { useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { bytesFace, countText, MISSING } from './numbers.js';
import { pollEvery } from './polling.js';
import { isSimulated, qualityState, staleAfter, STATES } from './states.js';
import { Export } from './stream_export.js';
import { fetchStreams, isInternal, search } from './stream_list.js';
import { BY_PATH, ordered, pressed, WORDS } from './stream_order.js';
import { html, useEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./stream_list.js').StreamEntry} StreamEntry */
/** @typedef {import('./stream_order.js').Key} Key */
/** @typedef {import('./stream_order.js').Order} Order */

await Promise.all(['controls', 'streams'].map((name) => stylesheet(`/static/css/${name}.css`)));

export const title = () => 'Streams';

const EVERY_MS = 10_000;
/** Rows of the table at first: each takes a browser up to a millisecond, with every letter that is typed into the search. */
const MOST = 100;

/** @param {import('./shapes.js').PageProps} props */
export default function StreamsPage({ app }) {
  const [withInternal, setInternal] = useState(false);
  const [text, setText] = useState('');
  const [order, setOrder] = useState(BY_PATH);
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const { entries, problem } = useStreams(app, withInternal);
  const found = ordered(search(entries ?? [], text), order);
  const toggle = (/** @type {string} */ path) => setChosen(chosen.includes(path) ? chosen.filter((other) => other !== path) : [...chosen, path]);
  return html`<main class="sp" id="main"><${ConnectionBanner} app=${app} />
    <div class="sh"><h1>Streams</h1><p class="mute">${entries && countOf(entries.length, found.length)}</p></div>
    <div class="sbar">
      <label class="field"><${Icon} name="search" /><span class="vh">Search streams</span><input type="search" value=${text} placeholder="Search streams"
        onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
      <label class="leg"><input type="checkbox" checked=${withInternal} onChange=${() => setInternal(!withInternal)} /><span class="box"></span>Show internal</label>
      <label class="field sel ord"><span class="mute">Sort by</span><select value=${order.key} onChange=${(/** @type {any} */ event) => setOrder(pressed(BY_PATH, event.target.value))}>
        ${Object.entries(WORDS).map(([key, word]) => html`<option key=${key} value=${key}>${word}</option>`)}</select><${Icon} name="chev" /></label>
    </div>
    ${problem && html`<p class="err" role="alert"><${Icon} name="warn" />Streams could not be listed: ${problem}</p>`}
    ${chosen.length > 0 && html`<${Chosen} app=${app} paths=${chosen} entries=${entries ?? []} onClear=${() => setChosen([])} />`}
    ${found.length > 0 && html`<${Table} app=${app} entries=${found} order=${order} onOrder=${(/** @type {Key} */ key) => setOrder(pressed(order, key))} chosen=${chosen} onToggle=${toggle} onAll=${setChosen} />`}
    ${entries && found.length === 0 && html`<p class="mute none">${entries.length ? 'No stream has all these words.' : 'There are no streams yet: they appear with the first reading.'}</p>`}
  </main>`;
}

/** @param {number} all @param {number} found */
function countOf(all, found) {
  const streams = `${countText(all)} ${all === 1 ? 'stream' : 'streams'}`;
  return found === all ? streams : `${countText(found)} of ${streams}`;
}

/** @param {App} app @param {boolean} withInternal @returns {{entries: StreamEntry[] | null, problem: string}} */
function useStreams({ connection }, withInternal) {
  const [entries, setEntries] = useState(/** @type {StreamEntry[] | null} */ (null));
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let isOver = false;
    const polling = pollEvery(async () => {
      if (connection.status.phase === 'lost') return;
      try {
        const found = await fetchStreams(withInternal);
        if (!isOver) setEntries(found);
        if (!isOver) setProblem('');
      } catch (error) {
        if (!isOver) setProblem(/** @type {Error} */ (error).message);
      }
    }, EVERY_MS);
    const stop = connection.on('hello', polling.askAnew);
    return () => {
      isOver = true;
      polling.stop();
      stop();
    };
  }, [connection, withInternal]);
  return { entries, problem };
}

/** What can be done with the chosen streams. @param {{app: App, paths: string[], entries: StreamEntry[], onClear: () => void}} props */
function Chosen({ app, paths, entries, onClear }) {
  const words = new Set(entries.filter(({ isNumeric }) => !isNumeric).map(({ path }) => path)); // both may be thousands
  const numeric = paths.filter((path) => !words.has(path));
  const isTooMany = numeric.length > MAX_STREAMS;
  return html`<div class="card chosen" role="group" aria-label="Chosen streams">
    <p><b>${countText(paths.length)} chosen</b>${isTooMany && html` <span class="mute">a graph takes ${MAX_STREAMS}</span>`}</p>
    ${numeric.length > 0 && !isTooMany && html`<a class="btn primary" href=${graphAddress(numeric)}><${Icon} name="graph" />Graph</a>`}
    <${Export} paths=${paths} now=${() => app.store.now()} />
    <button type="button" class="btn clear" onClick=${onClear}>Clear</button>
  </div>`;
}

/** @param {{app: App, entries: StreamEntry[], order: Order, onOrder: (key: Key) => void, chosen: string[], onToggle: (path: string) => void, onAll: (paths: string[]) => void}} props */
function Table({ app, entries, order, onOrder, chosen, onToggle, onAll }) {
  const [most, setMost] = useState(MOST);
  const shown = entries.slice(0, most);
  const isChosen = new Set(chosen); // of thousands, perhaps
  const isAll = entries.every(({ path }) => isChosen.has(path));
  const sorts = (/** @type {Key} */ key, /** @type {string} */ word, kind = 'n') => html`<${Sorter} order=${order} name=${key} word=${word} kind=${kind} onPress=${onOrder} />`;
  return html`<section class=${`card sl by-${order.key}`} aria-label="Streams"><table>
    <thead><tr><th scope="col" class="ck"><label class="leg"><input type="checkbox" checked=${isAll} onChange=${() => onAll(isAll ? [] : entries.map(({ path }) => path))} /><span class="box"></span>
        <span class="vh">Choose all</span></label></th>
      ${sorts('path', 'Stream', '')}<th scope="col" class="n">Newest value</th><th scope="col">Unit</th><th scope="col" class="n">Age</th>${sorts('count', 'Readings')}
      ${sorts('size', 'Size')}${sorts('each', 'Per reading')}<th scope="col">First</th>${sorts('latest', 'Last', '')}<th scope="col">Tags</th></tr></thead>
    <tbody>${shown.map((entry) => html`<${Row} key=${entry.path} app=${app} entry=${entry} isChosen=${isChosen.has(entry.path)} onToggle=${onToggle} />`)}</tbody></table>
    ${entries.length > most && html`<p class="rest"><button type="button" class="btn small" onClick=${() => setMost(most + MOST)}>Show ${Math.min(MOST, entries.length - most)} more</button></p>`}
  </section>`;
}

/** @param {{app: App, entry: StreamEntry, isChosen: boolean, onToggle: (path: string) => void}} props */
function Row({ app, entry, isChosen, onToggle }) {
  useTick(app);
  const isLost = useStatus(app).phase === 'lost';
  const now = app.store.now();
  const { value, latest, quality } = newestOf(app, entry);
  const { path, label, description, unit, earliest, count, size, bytesEach, isNumeric, period_s } = entry;
  const isOld = isLost || (latest !== null && now - latest > staleAfter(period_s));
  const name = html`<span class="nm">${label}</span><${Quality} quality=${quality} /> ${label !== path && html`<span class="dim path">${path}</span>`}`;
  return html`<tr class=${isOld ? 'is-stale' : ''}>
    <td class="ck"><label class="leg"><input type="checkbox" checked=${isChosen} onChange=${() => onToggle(path)} /><span class="box"></span><span class="vh">Choose ${path}</span></label></td>
    <td class="st1" title=${description || undefined}>${isNumeric ? html`<a href=${graphAddress([path])}>${name}</a>` : name}${isInternal(entry) && html` <span class="tag">internal</span>`}</td>
    <td class="n val"><${Digits} value=${short(value)} format=${entry} /></td><td class="mute un" title=${unit}>${unit}</td>
    <td class="n dim age" title=${latest === null ? undefined : formatUtc(latest)}>${latest === null ? '–' : formatAge(now - latest)}</td>
    <td class="n cnt">${countText(count)}</td>
    <td class="n siz" title=${size === 0 ? 'In the journal until the first block is full' : undefined}><${Bytes} count=${size || null} /></td>
    <td class="n eac" title="Of one reading, with rollups and time stamps"><${Bytes} count=${bytesEach} isFine /></td>
    <td class="mute tm" title=${earliest === null ? undefined : formatUtc(earliest)}>${earliest === null ? '–' : formatMoment(earliest, now)}</td>
    <td class="mute tm" title=${latest === null ? undefined : formatUtc(latest)}>${latest === null ? '–' : formatMoment(latest, now)}</td>
    <td class="tags">${Object.entries(entry.tags).map(([key, tag]) => html`<span class="tag" key=${key}>${key} ${short(tag)}</span>`)}</td>
  </tr>`;
}

/** The head of a column that sorts. @param {{order: Order, name: Key, word: string, kind: string, onPress: (key: Key) => void}} props */
function Sorter({ order, name, word, kind, onPress }) {
  const way = order.key !== name ? undefined : order.isDown ? 'descending' : 'ascending';
  return html`<th scope="col" class=${kind} aria-sort=${way}><button type="button" class="sort" onClick=${() => onPress(name)}>${word}<${Icon} name="chev" /></button></th>`;
}

/** @param {{count: number | null, isFine?: boolean}} props isFine: a few bytes, with a digit after the point */
function Bytes({ count, isFine = false }) {
  if (count === null) return html`${MISSING}<span class="by"></span>`;
  const { value, unit } = isFine && count < 100 ? { value: count.toFixed(1), unit: 'B' } : bytesFace(count);
  return html`${value}<span class="by">${unit}</span>`;
}

/** The list's newest value, or the live one if that is newer. @param {App} app @param {StreamEntry} entry */
function newestOf({ store }, { path, value, latest, quality }) {
  const { reading } = store.stream(path);
  if (reading && (latest === null || reading.t > latest)) return { value: reading.value, latest: reading.t, quality: reading.quality };
  return { value, latest, quality };
}

/** What is to be thought of the newest value, unless it is ok: simulated as its shape, the rest as a badge. @param {{quality: number}} props */
function Quality({ quality }) {
  const state = qualityState(quality);
  return html`${isSimulated(quality) && html` <span class="st c-sim" title=${STATES.simulated.word}><${Icon} name="sim" /><span class="vh">${STATES.simulated.word}</span></span>`}${
    state !== 'ok' && html` <${StateBadge} name=${state} />`}`;
}

const LONGEST = 40;

/** Words and records cut to what a cell holds; numbers as they are. @param {any} value */
function short(value) {
  if (value === null || value === undefined || typeof value === 'number') return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

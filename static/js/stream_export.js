// @ts-check
/** Streams into a CSV file: over which time and how fine. The server writes it; what it refuses is said here. */

import { ApiError, apiUrl } from './api.js';
import { Icon } from './icons.js';
import { html, useState } from './vendor.js';

/** @type {Array<[word: string, start: string]>} */
const RANGES = [['last hour', '-1h'], ['last 6 hours', '-6h'], ['last day', '-1d'], ['last week', '-1w'], ['last month', '-30d'], ['last year', '-1y']];
/** @type {Array<[word: string, granularity: string]>} */
const STEPS = [['every reading', 'raw'], ['1 s', 'seconds'], ['10 s', 'seconds10'], ['1 min', 'minutes'], ['10 min', 'minutes10'], ['1 h', 'hours'], ['6 h', 'hours6'], ['1 day', 'days']];

/** @param {{paths: string[], now: () => number}} props */
export function Export({ paths, now }) {
  const [start, setStart] = useState('-1h');
  const [granularity, setGranularity] = useState('raw');
  const [state, setState] = useState(/** @type {{isBusy: boolean, problem: string}} */ ({ isBusy: false, problem: '' }));
  const save = async () => {
    setState({ isBusy: true, problem: '' });
    try {
      await download(apiUrl('data', { stream: paths, start, end: 'now', granularity, format: 'csv' }), `labmon_${new Date(now() * 1000).toISOString().slice(0, 16).replace(':', '')}Z.csv`);
      setState({ isBusy: false, problem: '' });
    } catch (error) {
      setState({ isBusy: false, problem: /** @type {Error} */ (error).message });
    }
  };
  const select = (/** @type {string} */ label, /** @type {string} */ value, /** @type {(value: string) => void} */ set, /** @type {string[][]} */ options) => html`
    <label class="field sel"><span class="vh">${label}</span><select value=${value} onChange=${(/** @type {any} */ event) => set(event.target.value)}>${options.map(([word, one]) => html`<option value=${one}>${word}</option>`)}</select><${Icon} name="chev" /></label>`;
  return html`<div class="export">${select('Time', start, setStart, RANGES)}${select('Step', granularity, setGranularity, STEPS)}
    <button type="button" class="btn" disabled=${state.isBusy} onClick=${save}><${Icon} name="down" />${state.isBusy ? 'Fetching' : 'CSV'}</button>
    ${state.problem && html`<p class="err" role="alert"><${Icon} name="warn" />${state.problem}</p>`}</div>`;
}

/** @param {string} url @param {string} name */
async function download(url, name) {
  const response = await fetch(url, { headers: { Accept: 'text/csv, application/json' } });
  if (!response.ok) {
    const body = await response.json();
    throw new ApiError(response.status, body.error?.code ?? '', body.error?.message ?? response.statusText);
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

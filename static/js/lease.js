// @ts-check
/**
 * Who holds the lease of a device, above its controls: to take, to keep, to give back, and to take over after a question.
 * The trap: a lease changes hands while one looks at it, so a question is about one owner, and a new button takes no click
 * that was meant for the one before.
 */

import { Answers, useSettled } from './answers.js';
import { failureText } from './command_log.js';
import { useStatus } from './hooks.js';
import { Icon } from './icons.js';
import { leaseFace } from './lease_face.js';
import { roleObstacle } from './roles.js';
import { html, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {'acquire' | 'renew' | 'release' | 'steal'} Act */

const SPAN_S = 600;
const SPAN_TEXT = '10 min';

/** @param {{app: App, device: Device}} props */
export function LeaseBox({ app, device }) {
  const status = useStatus(app);
  const [asked, setAsked] = useState(''); // whose lease the question is about
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const { lease } = device;
  const face = leaseFace(lease, status, app.store.now());
  const isAsking = face.state === 'others' && lease?.owner === asked;
  const isSettled = useSettled(`${face.state} ${lease?.owner} ${isAsking}`);
  const act = async (/** @type {Act} */ name) => {
    setBusy(true);
    setProblem(await attempt(app, name, device.name, app.store.now()));
    setAsked('');
    setBusy(false);
  };
  const takeOver = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isAsking && isSettled) act('steal');
  };
  const button = (/** @type {string} */ text, /** @type {() => void} */ press, title = '') => html`<button type="button" class="btn small" key=${text}
    title=${title || undefined} disabled=${isBusy || !isSettled} onClick=${press}>${text}</button>`;
  const obstacle = roleObstacle(status);
  const buttons = !obstacle && {
    unknown: null,
    free: button('Take the lease', () => act('acquire'), `For ${SPAN_TEXT} nobody else can command ${device.name}`),
    own: [button('Renew', () => act('renew'), `For ${SPAN_TEXT} from now`), button('Release', () => act('release'))],
    others: button('Take over', () => setAsked(lease?.owner ?? '')),
  }[face.state];
  return html`<div class=${`lease is-${face.state}`}><div class="whose" role="status"><${Icon} name="key" /><p id="lease-note"><b>${face.fact}</b>${face.note && html`<span class="mute">${face.note}</span>`}${
    obstacle && html`<span class="mute">${obstacle}</span>`}</p></div>
    ${isAsking ? html`<form onSubmit=${takeOver}><p class="ask" role="alert"><${Icon} name="warn" /><span>Take it from ${asked}? Commands of ${asked} are refused then.</span></p>
      <${Answers} yes="Yes, take over" isObstructed=${isBusy} onNo=${() => setAsked('')} /></form>` : html`<div class="acts">${buttons}</div>`}
    ${problem && html`<p class="err" role="alert"><${Icon} name="warn" />${problem}</p>`}</div>`;
}

/** @param {App} app @param {Act} act @param {string} device @param {number} now @returns {Promise<string>} what went wrong */
async function attempt({ connection }, act, device, now) {
  try {
    await connection.call(`lease.${act}`, act === 'release' ? { device } : { device, seconds: SPAN_S });
    return '';
  } catch (error) {
    return failureText(/** @type {any} */ (error), now);
  }
}

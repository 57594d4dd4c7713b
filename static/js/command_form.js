// @ts-check
/** A form for the commands of a device, made from their JSON Schemas. What went wrong stands beside what caused it. */

import { Answers } from './answers.js';
import { failureText, valueText } from './command_log.js';
import { fieldsOf, hintOf, initialText, labelOf, obstacleTo, parseForm } from './forms.js';
import { useStatus } from './hooks.js';
import { Icon } from './icons.js';
import { leaseObstacle } from './lease_face.js';
import { roleObstacle } from './roles.js';
import { html, useMemo, useRef, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {import('./shapes.js').Command} Command */
/** @typedef {import('./forms.js').Field} Field */
/** @typedef {{kind: 'running'} | {kind: 'done', result: any, duration_s: number} | {kind: 'failed', message: string}} Outcome */

const TIMEOUT_S = 120;
/** So many choices fit beside each other. */
const SEGMENTS = 3;

/** @param {{app: App, device: Device}} props */
export function CommandForm({ app, device }) {
  const [name, setName] = useState(device.commands[0]?.name ?? '');
  const command = device.commands.find((candidate) => candidate.name === name) ?? device.commands[0];
  if (!command) return html`<p class="cf mute">This device takes no commands.</p>`;
  return html`<div class="cf">
    <div class="fr"><label for="cmd">Command</label><div class="field sel"><select id="cmd" value=${command.name}
      onChange=${(/** @type {any} */ event) => setName(event.target.value)}>${device.commands.map((one) => html`<option value=${one.name}>${one.name}</option>`)}</select><${Icon} name="chev" /></div>
      ${command.doc && html`<p class="mute ds">${command.doc}</p>`}</div>
    <${Parameters} key=${command.name} app=${app} device=${device} command=${command} />
  </div>`;
}

/** @param {{app: App, device: Device, command: Command}} props */
function Parameters({ app, device, command }) {
  const fields = useMemo(() => fieldsOf(command.params), [command.params]);
  const [texts, setTexts] = useState(() => Object.fromEntries(fields.map((field) => [field.name, initialText(field)])));
  const [touched, setTouched] = useState(/** @type {Set<string>} */ (new Set()));
  const [outcome, setOutcome] = useState(/** @type {Outcome | null} */ (null));
  const status = useStatus(app);
  const { params, messages } = parseForm(fields, texts);
  const wrong = Object.keys(messages).filter((name) => touched.has(name));
  const [isAsking, setAsking] = useState(false);
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const obstacle = roleObstacle(status, command.role) || obstacleTo(command, device.state, status.phase === 'live') || leaseObstacle(device.lease, status, app.store.now());
  const change = (/** @type {string} */ name, /** @type {string} */ text) => {
    setTexts({ ...texts, [name]: text });
    setTouched(new Set([...touched, name]));
    setAsking(false);
    if (outcome && outcome.kind !== 'running') setOutcome(null);
  };
  const leave = () => {
    setAsking(false);
    requestAnimationFrame(() => button.current?.focus()); // it has only then come back
  };
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTouched(new Set(fields.map(({ name }) => name)));
    if (Object.keys(messages).length > 0 || obstacle || outcome?.kind === 'running') return;
    if (command.confirm && !isAsking) {
      setAsking(true);
      return;
    }
    setAsking(false);
    setOutcome({ kind: 'running' });
    setOutcome(await call(app, `${device.name}.${command.name}`, params));
    if (isAsking) leave();
  };
  const isRunning = outcome?.kind === 'running';
  return html`<form onSubmit=${run} novalidate autocomplete="off">
    <div class="two">${fields.map((field) => html`<${FieldRow} key=${field.name} field=${field} text=${texts[field.name]} onText=${(/** @type {string} */ text) => change(field.name, text)}
      message=${touched.has(field.name) ? messages[field.name] : undefined} />`)}</div>
    ${isAsking && html`<p class="ask" role="alert"><${Icon} name="warn" /><span>${command.confirm}</span></p>`}
    ${isAsking ? html`<${Answers} yes=${`Yes, run ${command.name}`} isObstructed=${Boolean(obstacle)} onNo=${leave} />` : html`<div class="run1" key="run">
      <button ref=${button} type="submit" class="btn primary" disabled=${wrong.length > 0 || Boolean(obstacle) || isRunning} aria-describedby="run-note">${isRunning ? 'Running' : `Run ${command.name}`}</button>
      <span class="mute" id="run-note" role="status">${noteOf(obstacle, wrong.length)}</span></div>`}
    <div role="status">${outcome && html`<${OutcomeLine} outcome=${outcome} />`}</div>
  </form>`;
}

/** @param {{outcome: Outcome}} props */
function OutcomeLine({ outcome }) {
  if (outcome.kind === 'running') return html`<p class="vh">Running</p>`;
  if (outcome.kind === 'failed') return html`<p class="err fail"><${Icon} name="warn" /><span>${outcome.message}</span></p>`;
  const took = outcome.duration_s < 1 ? `${Math.max(1, Math.round(outcome.duration_s * 1000))} ms` : `${outcome.duration_s.toFixed(1)} s`;
  const hasResult = outcome.result !== null && outcome.result !== undefined;
  return html`<p class="done"><${Icon} name="check" /><span>Done in ${took}${hasResult && html`, result <code>${valueText(outcome.result)}</code>`}</span></p>`;
}

/** @param {App} app @param {string} method @param {Record<string, any>} params @returns {Promise<Outcome>} */
async function call(app, method, params) {
  const start = performance.now();
  try {
    const result = await app.connection.call(method, params, TIMEOUT_S);
    return { kind: 'done', result, duration_s: (performance.now() - start) / 1000 };
  } catch (error) {
    return { kind: 'failed', message: failureText(/** @type {any} */ (error), app.store.now()) };
  }
}

/** What stands beside the button. @param {string} obstacle @param {number} wrong fields */
function noteOf(obstacle, wrong) {
  if (obstacle || wrong === 0) return obstacle;
  return `${wrong} ${wrong === 1 ? 'field' : 'fields'} to correct`;
}

/** @param {{field: Field, text: string, message: string | undefined, onText: (text: string) => void}} props */
function FieldRow({ field, text, message, onText }) {
  const id = `p-${field.name}`;
  const about = [field.description && `${id}-about`, message && `${id}-error`].filter(Boolean).join(' ') || undefined;
  const isGroup = isSegmented(field);
  return html`<div class=${`fr ${field.kind === 'json' || (field.kind === 'text' && !field.maxLength) ? 'wide' : ''}`}>
    ${isGroup ? html`<span class="lb" id=${`${id}-label`}>${field.label}</span>` : html`<label for=${id}>${field.label}</label>`}<span class="hint">${isGroup ? '' : hintOf(field)}</span>
    <${Control} field=${field} id=${id} text=${text} message=${message} about=${about} onText=${onText} />
    ${message && html`<p class="err" id=${`${id}-error`}><${Icon} name="warn" />${message}</p>`}
    ${field.description && html`<p class="mute ds" id=${`${id}-about`}>${sentence(field.description)}</p>`}
  </div>`;
}

/** Few choices stand beside each other; a switch with a default is one of them. @param {Field} field */
function isSegmented({ kind, choices, required, initial }) {
  return kind === 'boolean' || (kind === 'choice' && choices.length <= SEGMENTS && (required || initial !== undefined));
}

/** @param {{field: Field, id: string, text: string, message: string | undefined, about: string | undefined, onText: (text: string) => void}} props */
function Control({ field, id, text, message, about, onText }) {
  const typed = (/** @type {any} */ event) => onText(event.target.value);
  if (field.kind === 'boolean' && field.initial !== undefined) {
    return html`<button type="button" class="sw2" role="switch" aria-checked=${text} aria-labelledby=${`${id}-label`} aria-describedby=${about}
      onClick=${() => onText(text === 'true' ? 'false' : 'true')}><i></i>${text === 'true' ? 'On' : 'Off'}</button>`;
  }
  if (isSegmented(field)) {
    return html`<div class="seg full" role="group" aria-labelledby=${`${id}-label`}>${field.choices.map((choice) => html`<button type="button"
      aria-pressed=${String(JSON.stringify(choice) === text)} onClick=${() => onText(JSON.stringify(choice))}>${choiceText(choice)}</button>`)}</div>`;
  }
  if (field.kind === 'choice') {
    return html`<div class=${`field sel ${message ? 'bad' : ''}`}><select id=${id} value=${text} onChange=${typed} aria-invalid=${message ? 'true' : undefined} aria-describedby=${about}>
      ${(!field.required || text === '') && html`<option value="">${field.required ? 'Choose' : 'as it is'}</option>`}${field.choices.map((choice) => html`<option value=${JSON.stringify(choice)}>${choiceText(choice)}</option>`)}</select><${Icon} name="chev" /></div>`;
  }
  const isNumber = field.kind === 'number' || field.kind === 'integer';
  return html`<div class=${`field ${isNumber ? 'uf' : ''} ${field.unit ? '' : 'bare'} ${message ? 'bad' : ''}`}><input id=${id} value=${text} onInput=${typed} spellcheck=${false}
    inputmode=${isNumber ? (field.kind === 'integer' && (field.low ?? -1) >= 0 ? 'numeric' : 'decimal') : undefined} aria-invalid=${message ? 'true' : undefined} aria-describedby=${about} />${
    field.unit && html`<span class="u">${field.unit}</span>`}</div>`;
}

/** Descriptions come from the middle of a docstring. @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {any} choice */
function choiceText(choice) {
  if (typeof choice === 'boolean') return choice ? 'On' : 'Off';
  return typeof choice === 'string' ? labelOf(choice) : String(choice);
}

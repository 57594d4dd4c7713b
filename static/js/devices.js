// @ts-check
/** The list of devices: how each one is and why, how fast, what went wrong last. */

import { formatMoment, formatUtc } from './ages.js';
import { stylesheet } from './assets.js';
import { ConnectionBanner } from './banner.js';
import { plainHz, useFreshDevices } from './device_fresh.js';
import { DeviceBadge, StateBadge } from './device_card.js';
import { useStatus } from './hooks.js';
import { Icon } from './icons.js';
import { leaseWords } from './lease_face.js';
import { countText, significantText } from './numbers.js';
import { html } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Device} Device */

await Promise.all(['controls', 'device'].map((name) => stylesheet(`/static/css/${name}.css`)));

export const title = () => 'Devices';

/** @param {import('./shapes.js').PageProps} props */
export default function DevicesPage({ app }) {
  const devices = useFreshDevices(app);
  const isLost = useStatus(app).phase === 'lost';
  const online = devices.filter(({ state }) => state === 'online').length;
  return html`<main class="dp" id="main"><${ConnectionBanner} app=${app} />
    <div class="dh"><div><h1>Devices</h1><p class="mute">${app.store.isLoaded && (isLost ? 'Not known while there is no connection' : summary(devices.length, online))}</p></div></div>
    ${devices.length > 0 && html`<section class="card dl" aria-label="Devices"><table>
      <thead><tr><th scope="col">Device</th><th scope="col">State</th><th scope="col">Since</th><th scope="col" class="n">Poll rate</th><th scope="col" class="n">Asked</th>
        <th scope="col" class="n">Errors</th><th scope="col" class="n">Missed</th><th scope="col">Last error</th></tr></thead>
      <tbody>${devices.map((device) => html`<${Row} key=${device.name} app=${app} device=${device} />`)}</tbody></table></section>`}
  </main>`;
}

/** @param {number} all @param {number} online */
function summary(all, online) {
  if (all === 0) return 'There are none. Add one to config.yaml.';
  return online === all ? `All ${all} are running` : `${online} of ${all} are running`;
}

/** @param {{app: App, device: Device}} props */
function Row({ app, device }) {
  const now = app.store.now();
  const status = useStatus(app);
  const isLost = status.phase === 'lost';
  const held = leaseWords(device.lease, status, now);
  const isOnline = device.state === 'online';
  const isSaid = !isOnline && device.last_error === device.reason;
  return html`<tr>
    <td class="who"><a href=${`/devices/${encodeURIComponent(device.name)}`}><b>${device.title}</b> <span class="code dim">${device.name}</span></a>
      ${device.simulated && html` <${StateBadge} name="simulated" />`}<span class="dim sub">${[device.model || device.driver, device.group].filter(Boolean).join(', ')}</span>${held && html`<span class="held"><${Icon} name="key" />${held}</span>`}</td>
    <td class="how"><${DeviceBadge} app=${app} device=${device} />${!isOnline && device.reason && html`<span class="reason">${device.reason}</span>`}</td>
    <td class="mute since" title=${formatUtc(device.since)}>${formatMoment(device.since, now)}</td>
    <td class="n hz">${isOnline && !isLost && device.rate_hz !== null ? html`${significantText(device.rate_hz, 3)} <span class="mute">Hz</span>` : '–'}</td>
    <td class="n dim asked">${device.asked_hz ? plainHz(device.asked_hz) : 'as sent'}</td>
    <td class="n cnt" data-word="errors">${countText(device.errors)}</td>
    <td class="n cnt" data-word="missed">${countText(device.missed)}</td>
    <td class=${`last ${device.last_error ? '' : 'is-none'} ${isSaid ? 'is-said' : ''}`}>${device.last_error ? html`<span class="what">${device.last_error}</span>${device.last_error_time && html` <span class="dim">${formatMoment(device.last_error_time, now)}</span>`}` : html`<span class="dim">none</span>`}</td>
  </tr>`;
}

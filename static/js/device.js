// @ts-check
/** The page of one device: how it is, its channels, its commands. */

import { actOnDevice, plainHz, useFreshDevices } from './device_fresh.js';
import { formatClock, formatDate, formatMinute, formatMoment, formatUtc } from './ages.js';
import { stylesheet } from './assets.js';
import { ConnectionBanner } from './banner.js';
import { ChannelTable } from './channel_rows.js';
import { CommandForm } from './command_form.js';
import { leasedText } from './command_log.js';
import { RecentCommands } from './command_recent.js';
import { DeviceBadge, StateBadge } from './device_card.js';
import { graphAddress, MAX_STREAMS } from './graph/view.js';
import { useStatus } from './hooks.js';
import { Icon } from './icons.js';
import { LeaseBox } from './lease.js';
import { leaseObstacle } from './lease_face.js';
import { countText, significantText } from './numbers.js';
import { roleObstacle } from './roles.js';
import { html, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Device} Device */

await Promise.all(['controls', 'device', 'commands'].map((name) => stylesheet(`/static/css/${name}.css`)));

/** @param {import('./shapes.js').PageLocation} location */
export const title = ({ params }) => params.name;

/** @param {import('./shapes.js').PageProps} props */
export default function DevicePage({ app, location }) {
  const { name } = location.params;
  useFreshDevices(app, app.store.devices.has(name) ? name : undefined);
  const device = app.store.devices.get(name);
  return html`<main class="dp" id="main"><${ConnectionBanner} app=${app} />${device ? html`<${Found} app=${app} device=${device} />`
    : app.store.isLoaded && html`<div class="dh"><div><${Back} /><h1>No device <span class="code">${name}</span></h1><p class="mute">The configuration has none of this name.</p></div></div>`}</main>`;
}

function Back() {
  return html`<a class="back mute" href="/devices"><${Icon} name="left" />Devices</a>`;
}

/** @param {{app: App, device: Device}} props */
function Found({ app, device }) {
  const numeric = device.channels.filter(({ kind }) => kind === 'numeric').map(({ path }) => path).slice(0, MAX_STREAMS);
  return html`
    <${Head} app=${app} device=${device} />
    <${Health} app=${app} device=${device} />
    <div class="cols"><div class="main">
      <section class="card" aria-labelledby="h-channels"><header><h2 id="h-channels">Channels</h2>${numeric.length > 0 && html`<span class="end">
        <a class="btn small" href=${graphAddress(numeric)}><${Icon} name="graph" />Graph all</a></span>`}</header>
        <${ChannelTable} app=${app} device=${device} /></section>
    </div><div class="side">
      <section class="card" aria-labelledby="h-commands"><header><h2 id="h-commands">Commands</h2></header><${CommandForm} app=${app} device=${device} /></section>
      <section class="card" aria-labelledby="h-recent"><header><h2 id="h-recent">Recent commands</h2></header><${RecentCommands} app=${app} name=${device.name} /></section>
    </div></div>`;
}

/** @param {{app: App, device: Device}} props */
function Head({ app, device }) {
  const [problem, setProblem] = useState('');
  const act = async (/** @type {'reconnect' | 'enable' | 'disable'} */ action) => {
    try {
      await actOnDevice(device.name, action);
      setProblem('');
    } catch (error) {
      const { code, details, message } = /** @type {import('./api.js').ApiError} */ (error);
      setProblem(`${action} failed: ${code === 'leased' && details ? leasedText(details, app.store.now()) : message}`);
    }
  };
  const status = useStatus(app);
  const { phase } = status;
  const isObstructed = phase !== 'live' || (roleObstacle(status) || leaseObstacle(device.lease, status, app.store.now())) !== '';
  const isDisabled = device.state === 'disabled';
  return html`<div class="dh"><div class="id"><${Back} />
      <h1>${device.title} <span class="code dim">${device.name}</span></h1>
      <p class="mute"><${DeviceBadge} app=${app} device=${device} /> ${phase !== 'lost' && sinceText(device.since, app.store.now())}${device.simulated && html` <${StateBadge} name="simulated" />`}
        <span class="dim inst">${[device.model || device.driver, device.group && `group ${device.group}`].filter(Boolean).join(', ')}</span></p>
      ${device.state !== 'online' && device.reason && html`<p class="reason">${device.reason}</p>`}</div>
    <div class="doing"><${LeaseBox} app=${app} device=${device} /><div class="acts">
      ${!isDisabled && html`<button type="button" class="btn" disabled=${isObstructed} aria-describedby="lease-note" onClick=${() => act('reconnect')}>Reconnect</button>`}
      <button type="button" class="btn" disabled=${isObstructed} aria-describedby="lease-note" onClick=${() => act(isDisabled ? 'enable' : 'disable')}>${isDisabled ? 'Enable' : 'Disable'}</button></div>
      <div role="status">${problem && html`<p class="err"><${Icon} name="warn" />${problem}</p>`}</div></div></div>`;
}

/** `since Thursday 19 November 11:02` @param {number} since @param {number} now */
function sinceText(since, now) {
  const isToday = formatDate(since) === formatDate(now);
  const text = isToday ? formatClock(since) : `${formatDate(since).replace(/ \d{4}$/, '')} ${formatMinute(since)}`;
  return html`<span title=${formatUtc(since)}>since ${text}</span>`;
}

/** The counters of a device. @param {{app: App, device: Device}} props */
function Health({ app, device }) {
  const isOnline = useStatus(app).phase !== 'lost' && device.state === 'online';
  const asked = device.asked_hz ? `asked ${plainHz(device.asked_hz)}` : 'as the instrument sends';
  const { length } = device.channels;
  return html`<dl class="card health">
    <${Figure} name="Poll rate" unit="Hz" note=${asked}>${isOnline && device.rate_hz !== null ? significantText(device.rate_hz, 3) : '–'}<//>
    <${Figure} name="Poll time" unit="ms" note=${device.asked_hz ? `of ${periodText(1 / device.asked_hz)}` : ''}>${isOnline && device.poll_ms !== null ? significantText(device.poll_ms, 2) : '–'}<//>
    <${Figure} name="Polls" note=${`${length} ${length === 1 ? 'channel' : 'channels'}`}>${countText(device.polls)}<//>
    <${Figure} name="Missed polls" note=${`${countText(device.errors)} ${device.errors === 1 ? 'error' : 'errors'}`}>${countText(device.missed)}<//>
    <${Figure} name="Reconnects" note="since labmon started">${countText(device.reconnects)}<//>
    <${Figure} name="Last error" note=${device.last_error_time ? formatMoment(device.last_error_time, app.store.now()) : ''}><span class="tx" title=${device.last_error || undefined}>${device.last_error || 'none'}</span><//>
  </dl>`;
}

/** @param {number} period_s */
function periodText(period_s) {
  return period_s < 1 ? `${significantText(period_s * 1000, 3).replace(/\.0+$/, '')} ms period` : `${Number(period_s.toPrecision(3))} s period`;
}

/** @param {{name: string, unit?: string, note: string, children?: any}} props */
function Figure({ name, unit, note, children }) {
  return html`<div><dt>${name}</dt><dd>${children}${unit && html` <span class="u">${unit}</span>`}</dd><dd class="s">${note}</dd></div>`;
}

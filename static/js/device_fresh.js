// @ts-check
/**
 * Counters of devices, kept fresh: the live connection tells changes of state, but not every poll.
 * The trap: a refresh that fails while the connection is away must not blank what was known, and what the connection
 * tells of a device while it is fetched is newer than the answer.
 */

import { request, withSeconds } from './api.js';
import { pollEvery } from './polling.js';
import { useLayoutEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */
/** @typedef {import('./shapes.js').Device} Device */

const EVERY_MS = 5000;

/**
 * All devices, rendered again when a state changes and every few seconds.
 *
 * @param {App} app
 * @param {string} [name] only this one is fetched anew
 * @returns {Device[]}
 */
export function useFreshDevices({ store, connection }, name) {
  const [, setTurn] = useState(0);
  useLayoutEffect(() => { // as in hooks.js
    const show = () => setTurn((turn) => turn + 1);
    const refresh = async () => {
      if (connection.status.phase !== 'live') return;
      /** @type {Set<string>} */
      const told = new Set();
      let isOutdated = false;
      const listening = [connection.on('device', (status) => told.add(status.name)), connection.on('status', () => (isOutdated = true))];
      const fetched = await fetchFresh(name);
      for (const stop of listening) stop();
      if (isOutdated) return;
      for (const device of fetched) {
        const known = store.devices.get(device.name);
        if (known && !told.has(device.name)) Object.assign(known, device);
      }
      if (fetched.length) show();
    };
    const polling = pollEvery(refresh, EVERY_MS);
    const stops = [store.on('devices', show), connection.on('status', show)];
    return () => {
      polling.stop();
      for (const stop of stops) stop();
    };
  }, [store, name]);
  return [...store.devices.values()];
}

/** @param {string} [name] @returns {Promise<Device[]>} none where the server does not answer: the banner says so */
async function fetchFresh(name) {
  try {
    const reply = await request(name === undefined ? 'devices' : `devices/${encodeURIComponent(name)}`);
    return (name === undefined ? reply.devices : [reply]).map(withSeconds);
  } catch (error) {
    if (error instanceof Error) return [];
    throw error;
  }
}

/**
 * Does something with a device as a whole.
 *
 * @param {string} name
 * @param {'reconnect' | 'enable' | 'disable'} action
 */
export function actOnDevice(name, action) {
  return request(`devices/${encodeURIComponent(name)}/${action}`, {}, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}',
  });
}

/** `10 Hz`, `0.5 Hz` @param {number} rate_hz */
export function plainHz(rate_hz) {
  return `${Number(rate_hz.toPrecision(3))} Hz`;
}

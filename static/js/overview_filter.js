// @ts-check
/** What the overview shows: the channels of a group that match the search, and how many are in which state. Pure. */

import { ORDER } from './states.js';

/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {{device: Device, channels: Channel[]}} Card */

/** @param {Channel} channel */
export const isShown = (channel) => channel.tile !== false;

/**
 * Groups in the order of the configuration, with how many devices each has.
 * @param {Device[]} devices
 * @returns {[string, number][]}
 */
export function groupsOf(devices) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { group } of devices) if (group) counts.set(group, (counts.get(group) ?? 0) + 1);
  return [...counts];
}

/**
 * The cards to show: every word of the search must occur in the channel's or its device's names.
 * @param {Device[]} devices
 * @param {{group: string, search: string}} filter empty: all
 * @returns {Card[]}
 */
export function cardsOf(devices, { group, search }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const cards = devices.filter((device) => !group || device.group === group).map((device) => ({
    device,
    channels: device.channels.filter((channel) => isShown(channel) && matches(device, channel, words)),
  }));
  return cards.filter(({ channels, device }) => channels.length || (!words.length && !device.channels.some(isShown)));
}

/** @param {Device} device @param {Channel} channel @param {string[]} words */
function matches(device, channel, words) {
  if (!words.length) return true;
  const text = [device.title, device.model, device.group, channel.path, channel.label, channel.description].join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

/**
 * How many channels are in each state, the worst first.
 * @param {Iterable<import('./states.js').StateName>} states
 * @returns {[import('./states.js').StateName, number][]}
 */
export function countStates(states) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return ORDER.flatMap((state) => {
    const count = counts.get(state);
    return count ? [/** @type {[import('./states.js').StateName, number]} */ ([state, count])] : [];
  });
}

// @ts-check
/**
 * Where a stream has no value, from when to when and why.
 *
 * The trap: one null row may stand for one missed reading or for a night, only its neighbours tell.
 */

import { QUALITY_CODE_MASK } from './columns.js';

/** @typedef {import('./columns.js').Columns} Columns */
/** @typedef {{from_s: number, to_s: number, why: string}} Gap */

/** What a missing value's quality code says in words; 0 is a gap without a cause in the data. */
export const WHY = ['no data', 'no signal', 'over range', 'under range', 'at limit', 'fault'];

const SILENT_PERIODS = 3;
const SILENT_S = 3;

/**
 * The gaps that touch a range, oldest first. One at the newest end reaches to `end_s`.
 *
 * @param {Columns} columns @param {number} start_s @param {number} end_s
 * @returns {Gap[]}
 */
export function gapsOf(columns, start_s, end_s) {
  const { mean, length, bucket_s } = columns;
  /** @type {Gap[]} */
  const gaps = [];
  const until = Math.min(length, columns.firstFrom(end_s) + 1);
  let i = Math.max(0, columns.firstFrom(start_s) - 1);
  while (i > 0 && Number.isNaN(mean[i])) i -= 1;
  while (i < until) {
    if (!Number.isNaN(mean[i])) {
      i += 1;
      continue;
    }
    const first = i;
    while (i < length && Number.isNaN(mean[i])) i += 1;
    if (first === 0 && i === length) return gaps; // nothing here at all: no line, no gap in it
    if (first === 0) continue; // before the first value
    const from_s = columns.x(first - 1);
    const to_s = i < length ? columns.x(i) : Math.max(end_s, columns.t[length - 1] + bucket_s);
    if (to_s > start_s && from_s < end_s) gaps.push({ from_s, to_s, why: reason(columns, first, i) });
  }
  return gaps;
}

/**
 * The silence after the newest reading, if it is one: a stream that just ends has no row that says so.
 *
 * @param {Columns} columns @param {number} period_s @param {number} now_s
 * @returns {Gap[]}
 */
export function silenceOf(columns, period_s, now_s) {
  const last = columns.length - 1;
  if (last < 0 || !Number.isFinite(period_s) || Number.isNaN(columns.mean[last])) return [];
  const from_s = Math.min(columns.newest_s, columns.t[last] + columns.bucket_s);
  const isSilent = now_s - from_s > Math.max(SILENT_S, SILENT_PERIODS * period_s) + columns.bucket_s;
  return isSilent ? [{ from_s: columns.x(last), to_s: now_s, why: WHY[0] }] : [];
}

/** The first cause that the missing readings name. @param {Columns} columns @param {number} first @param {number} end */
function reason(columns, first, end) {
  if (!columns.quality) return WHY[0];
  for (let i = first; i < end; i += 1) {
    const code = columns.quality[i] & QUALITY_CODE_MASK;
    if (code !== 0) return WHY[code] ?? WHY[5];
  }
  return WHY[0];
}

/**
 * Gaps of many streams, those that are the same (one device went away) told once.
 *
 * @template T
 * @param {Array<{owner: T, gaps: Gap[]}>} streams
 * @param {number} tolerance_s ends closer than this are the same
 * @returns {Array<Gap & {owners: T[]}>}
 */
export function sharedGaps(streams, tolerance_s) {
  /** @type {Array<Gap & {owners: T[]}>} */
  const shared = [];
  for (const { owner, gaps } of streams) {
    for (const gap of gaps) {
      const same = shared.find((other) => other.why === gap.why
        && Math.abs(other.from_s - gap.from_s) <= tolerance_s && Math.abs(other.to_s - gap.to_s) <= tolerance_s);
      if (same) same.owners.push(owner);
      else shared.push({ ...gap, owners: [owner] });
    }
  }
  return shared;
}

/**
 * The row of each gap, such that no two of a row overlap.
 *
 * @param {Array<{from_s: number, to_s: number}>} gaps
 * @param {number} distance_s least distance within a row
 */
export function rowsOf(gaps, distance_s) {
  /** @type {number[]} */
  const ends = [];
  return gaps.map(({ from_s, to_s }) => {
    const free = ends.findIndex((end) => end + distance_s <= from_s);
    const row = free === -1 ? ends.length : free;
    ends[row] = to_s;
    return row;
  });
}

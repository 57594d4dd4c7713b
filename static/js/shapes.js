// @ts-check
/**
 * The shapes that travel between labmon and the browser. All times in the browser are Unix seconds
 * (wire.js turns nanoseconds into them).
 *
 * @typedef {object} Channel one quantity of a device, as `GET /api/v1/devices` describes it
 * @property {string} name
 * @property {string} path `device/channel`
 * @property {string} label what stands on the tile
 * @property {string} unit
 * @property {string} description
 * @property {number} digits after the point
 * @property {boolean} scientific
 * @property {number | null} accuracy in `unit`
 * @property {[number | null, number | null]} limits
 * @property {'numeric' | 'nominal'} kind
 * @property {boolean} [tile] whether it has a tile on the overview
 * @property {number | null} [period_s] from one reading to the next; null for a setpoint, which comes when it comes; left out: as its device
 *
 * @typedef {object} Command
 * @property {string} name
 * @property {string} doc
 * @property {any} params JSON Schema of an object
 * @property {any} [result]
 * @property {string} [confirm] a question to ask before, if any
 * @property {boolean} [offline] whether it may be called while the device is not online
 * @property {import('./roles.js').Role} [role] the least role that may call it
 *
 * @typedef {'disabled' | 'connecting' | 'online' | 'offline' | 'stuck'} DeviceState
 *
 * @typedef {object} DeviceStatus what changes: also the `device` message of the live connection
 * @property {string} name
 * @property {string} title
 * @property {string} group
 * @property {string} driver
 * @property {string} model
 * @property {boolean} simulated
 * @property {DeviceState} state
 * @property {number} since Unix seconds
 * @property {string} reason
 * @property {number} period_s
 * @property {number | null} asked_hz null where the instrument sends by itself
 * @property {number | null} rate_hz
 * @property {number | null} poll_ms
 * @property {number} polls
 * @property {number} errors
 * @property {number} missed
 * @property {number} reconnects
 * @property {string | null} last_error
 * @property {number | null} last_error_time
 * @property {Lease | null} [lease] who may command it alone, null: nobody; left out: not known
 *
 * @typedef {{owner: string, until: number}} Lease
 *
 * @typedef {DeviceStatus & {channels: Channel[], commands: Command[]}} Device
 *
 * @typedef {[path: string, t: number, value: any, quality: number, ...band: Band | []]} ReadingRow
 * @typedef {[min: number | null, max: number | null, count: number, mean: number | null]} Band behind a reading that stands for several, an array: null where none has a good number
 *
 * @typedef {object} Columns one stream of `GET /api/v1/data`; NaN rows mark gaps
 * @property {string} path
 * @property {string} unit
 * @property {string} granularity `raw`, `seconds`, ...
 * @property {number} bucket_s 0 for raw
 * @property {Float64Array} t
 * @property {Float64Array} [mean]
 * @property {Float64Array} [min]
 * @property {Float64Array} [max]
 * @property {Float64Array} [count]
 * @property {Float64Array | any[]} [v] raw only; any JSON value for a nominal stream
 * @property {Float64Array} [quality] raw only
 *
 * @typedef {{start: number, end: number, cursor: string, streams: Columns[]}} DataReply
 *
 * @typedef {object} App what every page is given
 * @property {import('./connection.js').Connection} connection
 * @property {import('./store.js').Store} store
 *
 * @typedef {object} PageLocation
 * @property {string} path `/devices/wavemeter`
 * @property {Record<string, string>} params what the pattern named: `{name: 'wavemeter'}`
 * @property {URLSearchParams} query
 *
 * @typedef {{app: App, location: PageLocation}} PageProps props of a page's component
 */

export {};

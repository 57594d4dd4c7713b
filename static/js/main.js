// @ts-check
/** Where the page begins: one connection, one store, the list of pages. */

import { Connection } from './connection.js';
import { keepCopiesPlain } from './digits.js';
import { leaveLinks, route, start } from './router.js';
import { showPage } from './shell.js';
import { Store } from './store.js';
import { keepPaperLight } from './theme.js';

const isWall = () => new URLSearchParams(location.search).get('kiosk') === '1';

route('/', () => (isWall() ? import('./wall.js') : import('./overview.js')));
route('/graph', () => import('./graph.js'));
route('/devices', () => import('./devices.js'));
route('/devices/:name', () => import('./device.js'));
route('/streams', () => import('./streams.js'));
route('/status', () => import('./status.js'));

const connection = new Connection(`${location.origin.replace(/^http/, 'ws')}/api/v1/ws`);
const app = { connection, store: new Store(connection) };

connection.on('status', ({ isOutdated }) => {
  if (isOutdated) leaveLinks();
});
keepCopiesPlain();
keepPaperLight();
app.store.start();
connection.start();
start((match, place) => showPage(app, match, place));

// @ts-check
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const FIRST = ['static/js/main.js', 'static/js/overview.js'];

/** The modules that a file imports at once, and theirs. @param {string} path @param {Set<string>} seen */
function closure(path, seen) {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (path.startsWith('static/vendor/')) return seen;
  const text = readFileSync(new URL(path, ROOT), 'utf8');
  for (const [, target] of text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)';/gm)) {
    closure(new URL(target, `file:///${path}`).pathname.slice(1), seen);
  }
  return seen;
}

test('index.html preloads what the first page needs, so that nothing waits for an import to be found', () => {
  const needed = new Set(FIRST.flatMap((path) => [...closure(path, new Set())]));
  const page = readFileSync(new URL('static/index.html', ROOT), 'utf8');
  const preloaded = [...page.matchAll(/<link rel="modulepreload" href="\/([^"]+)">/g)].map(([, path]) => path)
    .filter((path) => !/vendor\/msgpack\/(?!(De|En)coder|ExtensionCodec)/.test(path));
  assert.deepEqual(preloaded.sort(), [...needed].sort());
});

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { jsonSchemas } from '../../src/runs/json-schemas.ts';

const folder = path.join(import.meta.dirname, '..', '..', 'docs', 'schemas');

test('docs/schemas is up to date (npm run docs)', async () => {
  const schemas = jsonSchemas();
  assert.deepEqual((await readdir(folder)).sort(), Object.keys(schemas).sort());
  for (const [name, text] of Object.entries(schemas)) {
    assert.equal(await readFile(path.join(folder, name), 'utf8'), text, name);
  }
});

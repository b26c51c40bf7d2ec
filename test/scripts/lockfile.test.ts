import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>;
}

const lockfile = await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8');
const packages = Object.entries((JSON.parse(lockfile) as Lockfile).packages).filter(([folder]) => folder !== '');

it('the lockfile names no host, so that any registry can serve it', () => {
  assert.ok(packages.length > 100);
  assert.deepEqual(
    packages.filter(([, { resolved }]) => resolved !== undefined),
    [],
  );
});

it('the lockfile has the hash of every package', () => {
  assert.deepEqual(
    packages.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([folder]) => folder),
    [],
  );
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lockfile = await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8');
const packages = Object.entries(
  (JSON.parse(lockfile) as { packages: Readonly<Record<string, LockedPackage>> }).packages,
).filter(([folder]) => folder !== '');

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

it('the lockfile contains the optional packages of every platform, which `npm ci` requires', () => {
  const locked = new Set(packages.map(([folder]) => folder.split('node_modules/').at(-1)));
  const named = packages.flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}));
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((name) => !locked.has(name)),
    [],
  );
});

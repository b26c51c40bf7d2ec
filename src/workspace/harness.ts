import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../platform/package-root.ts';
import type { SuppliedFile } from '../sandbox/sandbox.ts';

/** Programs that run tests inside a sandbox. They are shipped unbundled in `harness/`. */
export interface Harness {
  /** All in the folder `kit/`. */
  readonly files: readonly SuppliedFile[];
  /** Identifies the version, for caches. */
  readonly version: string;
}

const harnesses = new Map<string, Promise<Harness>>();

/** Reads the programs of these names, once. */
export function readHarness(...names: readonly string[]): Promise<Harness> {
  const key = names.join();
  let harness = harnesses.get(key);
  if (!harness) {
    harness = read(names);
    harnesses.set(key, harness);
  }
  return harness;
}

async function read(names: readonly string[]): Promise<Harness> {
  const files = await Promise.all(
    names.map(async (name) => ({
      inside: `kit/${name}`,
      content: await readFile(path.join(packageRoot(), 'harness', name), 'utf8'),
    })),
  );
  const hash = createHash('sha256');
  for (const { content } of files) hash.update(`${content}\0`);
  return { files, version: hash.digest('hex').slice(0, 16) };
}

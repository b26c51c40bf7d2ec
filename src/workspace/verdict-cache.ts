import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { dataHome, writeAtomic } from '../platform/files.ts';
import type { Verdict } from './verdict.ts';

/**
 * Caches verdicts by content, in memory and in the data home's `cache/verdicts/`, so that the same completion never
 * runs twice, even in a resumed run. Verdicts that a time limit decided or that are broken are not kept, because
 * another run may end differently.
 */
export class VerdictCache {
  readonly #pending = new Map<string, Promise<Verdict>>();

  /** The verdict of a key, computed on first use. Concurrent requests share one computation. */
  get(key: string, make: () => Promise<Verdict>): Promise<Verdict> {
    const known = this.#pending.get(key);
    if (known) return known;
    const verdict = this.#readOrMake(key, make);
    this.#pending.set(key, verdict);
    verdict.then(
      (made) => {
        if (!isCacheable(made)) this.#pending.delete(key);
      },
      () => this.#pending.delete(key),
    );
    return verdict;
  }

  /** The verdict of a key, if there is one already. */
  async known(key: string): Promise<Verdict | null> {
    return this.#pending.get(key) ?? (await readKept(key));
  }

  async #readOrMake(key: string, make: () => Promise<Verdict>): Promise<Verdict> {
    const kept = await readKept(key);
    if (kept !== null) return kept;
    const verdict = await make();
    if (isCacheable(verdict)) await writeAtomic(fileOf(key), JSON.stringify(verdict));
    return verdict;
  }
}

const fileOf = (key: string): string => path.join(dataHome(), 'cache', 'verdicts', key.slice(0, 2), `${key}.json`);

async function readKept(key: string): Promise<Verdict | null> {
  const kept = await readFile(fileOf(key), 'utf8').catch(() => null);
  // Only this module writes the file, and atomically.
  return kept === null ? null : (JSON.parse(kept) as Verdict);
}

/** A key that covers everything a verdict depends on. */
export function verdictKey(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const isCacheable = (verdict: Verdict): boolean =>
  verdict.outcome === 'scored' || (verdict.outcome === 'failed' && !verdict.late);

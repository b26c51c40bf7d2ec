import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { dataHome, writeAtomic } from '../platform/files.ts';
import type { Verdict } from './verdict.ts';

/**
 * Verdicts by the content that they follow from, in memory and in the data home's `cache/verdicts/`: the same completion is
 * never run twice, nor is it in a resumed run. What a clock decided is not kept, nor what was broken: a later run may end
 * otherwise.
 */
export class VerdictCache {
  readonly #pending = new Map<string, Promise<Verdict>>();

  /** The verdict under a key, made where there is none; asked for twice at once, it is made once. */
  get(key: string, make: () => Promise<Verdict>): Promise<Verdict> {
    const known = this.#pending.get(key);
    if (known) return known;
    const verdict = this.#readOrMake(key, make);
    this.#pending.set(key, verdict);
    verdict.then(
      (made) => {
        if (!isLasting(made)) this.#pending.delete(key);
      },
      () => this.#pending.delete(key),
    );
    return verdict;
  }

  async #readOrMake(key: string, make: () => Promise<Verdict>): Promise<Verdict> {
    const file = path.join(dataHome(), 'cache', 'verdicts', key.slice(0, 2), `${key}.json`);
    const kept = await readFile(file, 'utf8').catch(() => null);
    // Written whole or not at all, and by us alone.
    if (kept !== null) return JSON.parse(kept) as Verdict;
    const verdict = await make();
    if (isLasting(verdict)) await writeAtomic(file, JSON.stringify(verdict));
    return verdict;
  }
}

/** A key for everything that a verdict follows from. */
export function verdictKey(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const isLasting = (verdict: Verdict): boolean =>
  verdict.outcome === 'scored' || (verdict.outcome === 'failed' && !verdict.late);

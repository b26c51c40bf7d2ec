import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Work in a folder of its own, with a data home of its own in it: nothing is known from before, and nothing is left. */
export async function withOwnHome<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-'));
  const home = process.env.UNMASK_HOME;
  process.env.UNMASK_HOME = path.join(folder, 'home');
  try {
    return await work(folder);
  } finally {
    if (home === undefined) delete process.env.UNMASK_HOME;
    else process.env.UNMASK_HOME = home;
    await rm(folder, { recursive: true, force: true });
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Runs `work` with a temporary folder and an empty data home in it. Both are deleted afterwards. */
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

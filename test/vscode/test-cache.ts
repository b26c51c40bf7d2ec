import { homedir } from 'node:os';
import path from 'node:path';

/** Where tests keep what takes minutes to make: outside of `node_modules`, which `npm ci` empties. */
export function cacheFolder(): string {
  if (process.env.UNMASK_TEST_CACHE) return path.resolve(process.env.UNMASK_TEST_CACHE);
  if (process.platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'unmask-test');
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'unmask-test');
}

import { homedir } from 'node:os';
import path from 'node:path';

/** The folder for files that take the tests minutes to make. It is outside `node_modules`, which `npm ci` deletes. */
export function cacheFolder(): string {
  if (process.env.UNMASK_TEST_CACHE) return path.resolve(process.env.UNMASK_TEST_CACHE);
  if (process.platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'unmask-test');
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'unmask-test');
}

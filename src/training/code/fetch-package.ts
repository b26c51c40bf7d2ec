import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf, UserError } from '../../platform/errors.ts';

/** Downloads the archive of `name@version` to `file`. */
export type FetchPackage = (spec: string, file: string) => Promise<void>;

const packed = z.tuple([z.object({ filename: z.string(), integrity: z.string() })]);

/** Uses the installed npm, whose own configuration names the registry. Nothing of the package is run. */
export const fetchByNpm: FetchPackage = async (spec, file) => {
  // The archive gets its name when it is complete.
  const folder = await mkdtemp(`${file}.partial-`);
  try {
    const args = ['pack', spec, '--json', '--ignore-scripts', '--pack-destination', folder];
    const { stdout } = await promisify(execFile)('npm', args, {
      maxBuffer: 64 << 20,
      shell: process.platform === 'win32',
    });
    const [{ filename, integrity }] = packed.parse(JSON.parse(stdout));
    const archive = path.join(folder, path.basename(filename));
    const digest = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (digest !== integrity) throw new Error("its digest is not the registry's");
    await rename(archive, file);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const reason = /npm (?:error|ERR!) (.+)/.exec(stderr ?? '')?.[1] ?? messageOf(error);
    throw new UserError(`${spec} could not be fetched with npm pack (${reason}); check the network and try again.`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

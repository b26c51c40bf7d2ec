import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hostTarget, packageExtension } from '../../scripts/packaging/package-extension.ts';
import { fingerprint, root } from '../../scripts/set-up.mjs';

/** The inputs of the package, except node_modules, which is determined by the lockfile. */
const madeOf = [
  'dist',
  'harness',
  'media',
  'models',
  'problems',
  'scripts/packaging',
  '.vscodeignore',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'package-lock.json',
  'package.json',
];

/** The folder in which VS Code's own files for extension tests are, too. */
const folder = path.join(root, '.vscode-test');

/**
 * The package of the current build. It is made on first use, which takes half a minute, and kept until an input
 * changes.
 */
export async function extensionPackage(): Promise<string> {
  const name = `unmask-${fingerprint(madeOf).slice(0, 16)}.vsix`;
  const file = path.join(folder, name);
  if (existsSync(file)) return file;
  await mkdir(folder, { recursive: true });
  const old = (await readdir(folder)).filter((entry) => entry.endsWith('.vsix'));
  for (const entry of old) await rm(path.join(folder, entry));
  const partial = path.join(folder, `${process.pid}.partial.vsix`);
  await packageExtension(hostTarget, partial);
  await rename(partial, file);
  return file;
}

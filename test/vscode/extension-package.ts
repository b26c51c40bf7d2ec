import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hostTarget, packageExtension } from '../../scripts/packaging/package-extension.ts';
import { fingerprint, root } from '../../scripts/set-up.mjs';

/** What the package follows from, but for node_modules, which follow from the lockfile. */
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

/** Where VS Code's own files for the tests of an extension lie too. */
const folder = path.join(root, '.vscode-test');

/** The package of what is built now; made when it is asked for first, which takes half a minute, and kept while it is the same. */
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

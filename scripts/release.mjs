import path from 'node:path';
import { requireNode } from './node.mjs';

// Makes the files of a release of the version in package.json: packages for all platforms, checksums and notes.
requireNode();
const { root, setUp } = await import('./set-up.mjs');
setUp();
const { register } = await import('tsx/esm/api');
register();
const { makeRelease } = await import('./packaging/release.ts');
try {
  const { version, packages, folder } = await makeRelease({
    root,
    folder: path.join(root, 'release'),
    log: (line) => console.error(line),
  });
  console.log(`${folder}: version ${version}, ${packages.length} packages, SHA256SUMS and notes.md`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

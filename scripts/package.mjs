import { requireNode } from './node.mjs';

// Packages the extension for this platform, or for the one you name: `npm run package -- win32-x64`.
requireNode();
const { setUp } = await import('./set-up.mjs');
setUp();
const { register } = await import('tsx/esm/api');
register();
const { packageExtension, hostTarget } = await import('./packaging/package-extension.ts');
try {
  const { file, bytes } = await packageExtension(process.argv[2] ?? hostTarget);
  console.log(`${file}, ${(bytes / 1e6).toFixed(1)} MB`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

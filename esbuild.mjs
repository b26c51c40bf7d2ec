import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licencesOf } from './scripts/packaging/licences.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Native packages, and those that find files of theirs next to themselves; they stay in node_modules. */
const engines = ['onnxruntime-node', '@tensorflow/*'];

/** @type {import('esbuild').BuildOptions} */
const settings = { absWorkingDir: root, bundle: true, sourcemap: true, logLevel: 'warning', metafile: true };

/** @type {import('esbuild').BuildOptions} */
const page = { ...settings, platform: 'browser', format: 'iife', sourcemap: false, minify: true };

/**
 * The language client is most of what the extension loads, and is needed only once the window has come up: it is a file
 * of its own, since a bundle is parsed as a whole when it is loaded.
 * @type {import('esbuild').Plugin}
 */
const languageClientApart = {
  name: 'language-client-apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^vscode-languageclient\/node$/ }, () => ({ path: './language-client.cjs', external: true })),
};

/**
 * The bundles by their place, each with how it is built.
 * @type {Record<'dist/unmask.mjs' | 'dist/extension.cjs' | 'dist/language-client.cjs' | 'dist/report.js' | 'dist/panel.js' | 'dist/evaluation.js', import('esbuild').BuildOptions>}
 */
export const bundles = {
  'dist/unmask.mjs': {
    ...settings,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/unmask.mjs',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    external: engines,
    // CommonJS packages inside an ES module still call `require` and ask for `__filename`.
    banner: {
      js: "#!/usr/bin/env node\nimport { createRequire as _createRequire } from 'node:module';\nconst require = _createRequire(import.meta.url);\nconst __filename = import.meta.filename;",
    },
  },
  'dist/extension.cjs': {
    ...settings,
    entryPoints: ['src/extension/extension.ts'],
    outfile: 'dist/extension.cjs',
    platform: 'node',
    // The extension host of VS Code 1.91.
    target: 'node20.9',
    format: 'cjs',
    external: ['vscode'],
    plugins: [languageClientApart],
    // By `require`, late: Node's own `import()` does not see the names that a CommonJS bundle exports.
    supported: { 'dynamic-import': false },
  },
  'dist/language-client.cjs': {
    ...settings,
    entryPoints: ['vscode-languageclient/node'],
    outfile: 'dist/language-client.cjs',
    platform: 'node',
    target: 'node20.9',
    format: 'cjs',
    external: ['vscode'],
  },
  'dist/report.js': {
    ...page,
    entryPoints: ['webview/report.ts'],
    outfile: 'dist/report.js',
    target: ['chrome120', 'firefox120', 'safari17'],
  },
  'dist/panel.js': {
    ...page,
    entryPoints: ['webview/panel.ts'],
    outfile: 'dist/panel.js',
    // The browser of VS Code 1.91.
    target: 'chrome122',
    // VS Code's icons are a font, which the style names by its place beside it.
    loader: { '.ttf': 'file' },
    assetNames: '[name]',
  },
  'dist/evaluation.js': {
    ...page,
    entryPoints: ['webview/evaluation.ts'],
    outfile: 'dist/evaluation.js',
    target: 'chrome122',
  },
};

if (path.resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  // esbuild has said what is wrong and where.
  const made = await Promise.all(Object.values(bundles).map((bundle) => build(bundle))).catch(() => process.exit(1));
  // npm marks a program as one when it links it first, and not when it is built anew.
  chmodSync(path.join(root, 'dist/unmask.mjs'), 0o755);
  const inputs = made.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  writeFileSync(path.join(root, 'dist/licences.txt'), licencesOf(root, inputs));
}

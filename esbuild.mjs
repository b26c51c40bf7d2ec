import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';
import { licencesOf } from './scripts/packaging/licences.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Native packages, and packages that load files from their own folder. They are not bundled. */
const engines = ['onnxruntime-node', '@tensorflow/*'];

/** @type {import('esbuild').BuildOptions} */
const settings = { absWorkingDir: root, bundle: true, sourcemap: true, logLevel: 'warning', metafile: true };

/** @type {import('esbuild').BuildOptions} */
const page = { ...settings, platform: 'browser', format: 'iife', sourcemap: false, minify: true };

/** Bundled CommonJS packages use `require` and `__filename`, which an ES module does not define. */
const commonJsNames =
  'import { createRequire as _createRequire } from "node:module";\nconst require = _createRequire(import.meta.url);\nconst __filename = import.meta.filename;';

/**
 * Keeps the language client out of the extension's bundle. It is most of the code and is needed only after the window has
 * opened, and a bundle is parsed as a whole when it is loaded.
 * @type {import('esbuild').Plugin}
 */
const separateLanguageClient = {
  name: 'separate-language-client',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^vscode-languageclient\/node$/ }, () => ({ path: './language-client.cjs', external: true })),
};

/**
 * Keeps the libraries of the queue out of the program's bundle, because only runs with workers need them.
 * @type {import('esbuild').Plugin}
 */
const separateQueueLibraries = {
  name: 'separate-queue-libraries',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/bullmq\.ts$/ }, () => ({ path: './bullmq.mjs', external: true })),
};

/**
 * The bundles: output file and build options.
 * @type {Record<'dist/unmask.mjs' | 'dist/bullmq.mjs' | 'dist/heartbeat-thread.mjs' | 'dist/indexing-thread.mjs' | 'dist/extension.cjs' | 'dist/language-client.cjs' | 'dist/report.js' | 'dist/panel.js' | 'dist/evaluation.js', import('esbuild').BuildOptions>}
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
    banner: { js: `#!/usr/bin/env node\n${commonJsNames}` },
    plugins: [separateQueueLibraries],
  },
  'dist/bullmq.mjs': {
    ...settings,
    entryPoints: ['src/workers/bullmq.ts'],
    outfile: 'dist/bullmq.mjs',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: false,
    minify: true,
    banner: { js: `${commonJsNames}\nconst __dirname = import.meta.dirname;` },
  },
  // A worker thread needs its own file, next to the program.
  'dist/heartbeat-thread.mjs': {
    ...settings,
    entryPoints: ['src/runs/heartbeat-thread.mjs'],
    outfile: 'dist/heartbeat-thread.mjs',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: false,
  },
  'dist/indexing-thread.mjs': {
    ...settings,
    entryPoints: ['src/copies/indexing-thread.ts'],
    outfile: 'dist/indexing-thread.mjs',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: false,
    banner: { js: commonJsNames },
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
    plugins: [separateLanguageClient],
    // Turns `import()` into a late `require`: Node's `import()` does not see the names that a CommonJS bundle exports.
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
    // VS Code's icons are a font, which the style sheet loads from its own folder.
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

/**
 * Completes a build: makes the program executable, and writes the licences of the bundled packages next to the bundles.
 * @param {readonly import('esbuild').Metafile[]} metafiles
 */
function complete(metafiles) {
  // npm makes the program executable only when it links it for the first time, not after a later build.
  chmodSync(path.join(root, 'dist/unmask.mjs'), 0o755);
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  writeFileSync(path.join(root, 'dist/licences.txt'), licencesOf(root, inputs));
}

/**
 * Builds again whenever a source changes. `.vscode/tasks.json` matches "Build started" and "Build finished" to know when
 * the extension can be launched, and esbuild's own messages to show file, line and column.
 */
async function watch() {
  const all = Object.entries(bundles);
  let running = 0;
  /** The result of each bundle's latest build; undefined if it failed. */
  /** @type {Map<string, import('esbuild').Metafile | undefined>} */
  const latest = new Map();
  const contexts = all.map(([file, options]) => {
    /** @type {import('esbuild').Plugin} */
    const reporter = {
      name: 'report-builds',
      setup({ onStart, onEnd }) {
        onStart(() => {
          if (running++ === 0) console.log('Build started');
        });
        onEnd(({ metafile }) => {
          latest.set(file, metafile);
          if (--running > 0 || latest.size < all.length) return;
          const built = [...latest.values()].filter((result) => result !== undefined);
          if (built.length === all.length) complete(built);
          console.log('Build finished');
        });
      },
    };
    return context({ ...options, plugins: [...(options.plugins ?? []), reporter] });
  });
  for (const bundle of await Promise.all(contexts)) await bundle.watch();
}

if (path.resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--watch')) await watch();
  else {
    // On failure, esbuild has already printed the error and its location.
    const built = await Promise.all(Object.values(bundles).map((bundle) => build(bundle))).catch(() => process.exit(1));
    complete(built.map(({ metafile }) => /** @type {import('esbuild').Metafile} */ (metafile)));
  }
}

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { bundles } from '../../esbuild.mjs';
import { hostTarget, packageExtension, targets } from '../../scripts/packaging/package-extension.ts';
import { extensionPackage } from './extension-package.ts';
import { openAt, runCommand, screenshot, suggested, typeUntilSuggested, webview } from './window.ts';
import { Workbench } from './workbench.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A text for which the bundled model has a suggestion at the end of line 4. */
const unfinished = `/** Prints each name on a line of its own. */
export function print(names: string[]): void {
  names.sort();
  for (let i = 0; i <
    console.log(names[i]);
  }
}
`;

/** The package that a user installs, in the workbench that a user sees. */
describe('the installed package', { timeout: 300_000 }, () => {
  let folder: string;
  let workbench: Workbench;
  let page: Page;
  /** The files in the extension's folder, with forward slashes. */
  let files: string[];

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-package-test-'));
    await mkdir(path.join(folder, 'workspace'));
    for (const name of ['names.ts', 'panel.ts']) await writeFile(path.join(folder, 'workspace', name), unfinished);
    workbench = await Workbench.start({ install: [await extensionPackage()] });
    const extensions = path.join(workbench.profile, 'extensions');
    const name = readdirSync(extensions).find((entry) => entry.startsWith('unmask.unmask-'));
    assert.ok(name, 'it was installed');
    files = readdirSync(path.join(extensions, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(path.join(extensions, name), path.join(entry.parentPath, entry.name)))
      .map((entry) => entry.replaceAll('\\', '/'));
    page = await workbench.open(path.join(folder, 'workspace'));
    await page.locator('.monaco-workbench').waitFor();
  });
  after(async () => {
    await workbench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('contains the program and everything that it loads', async () => {
    const pages = ['report', 'panel', 'evaluation'].flatMap((page) => [`${page}.js`, `${page}.css`]);
    for (const file of [
      'unmask.mjs',
      'bullmq.mjs',
      'extension.cjs',
      'language-client.cjs',
      ...pages,
      'codicon.ttf',
      'licences.txt',
    ]) {
      assert.ok(files.includes(`dist/${file}`), file);
    }
    const needed = await loadedAtRuntime();
    assert.ok(needed.includes('node_modules/onnxruntime-node/dist/index.js'));
    assert.deepEqual(missing(needed), []);
    // Node needs each package's manifest to find its files.
    assert.deepEqual(
      missing(needed.map((file) => `${/^node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]}/package.json`)),
      [],
    );
    const models = readdirSync(path.join(root, 'models'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.safetensors'))
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
    assert.ok(models.includes('models/unmask-code/model.safetensors'), `${models}`);
    assert.deepEqual(missing(models), []);
  });

  it('contains the native library of its platform and no other', () => {
    const libraries = files.filter((file) => /\.(node|dll|dylib)$|\.so(\.|$)/.test(file));
    const place = `node_modules/onnxruntime-node/bin/napi-v6/${hostTarget.replace('-', '/')}/`;
    assert.ok(libraries.includes(`${place}onnxruntime_binding.node`));
    assert.deepEqual(
      libraries.filter((file) => !file.startsWith(place)),
      [],
    );
  });

  it('contains no sources, tests, maps or tools', async () => {
    const allowed =
      /^(dist|harness|media|models|node_modules|problems)\/|^(package\.json|readme\.md|changelog\.md|LICENSE\.txt|\.vsixmanifest)$/;
    assert.deepEqual(
      files.filter((file) => !allowed.test(file)),
      [],
    );
    assert.deepEqual(
      // The folders of problems are named after their split.
      files.filter(
        (file) =>
          !file.startsWith('problems/') && /\.(ts|mts|map|vsix)$|(^|\/)(tests?|__tests__|scripts?|docs)\//.test(file),
      ),
      [],
    );
    const { devDependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const unwanted = [...Object.keys(devDependencies), '@tensorflow/tfjs-node-gpu'];
    assert.deepEqual(
      files.filter((file) => unwanted.some((name) => file.startsWith(`node_modules/${name}/`))),
      [],
    );
  });

  it('completes TypeScript with the bundled model and default settings', async () => {
    await openAt(page, 'names.ts', 4);
    await typeUntilSuggested(workbench, page, ' ', 'names');
    await screenshot(page, 'bundled-ghost-text');
    const text = await suggested(page);
    await page.keyboard.press('Tab');
    await page.locator('.view-line', { hasText: `for (let i = 0; i < ${text}` }).waitFor();
  });

  it('shows how the bundled model denoises', async () => {
    await openAt(page, 'panel.ts', 4);
    await page.keyboard.type(' ');
    await runCommand(workbench, page, 'Unmask: Show Panel');
    const frame = await webview(page, 'main.panel');
    await frame.getByRole('button', { name: 'Denoise here' }).click();
    const insert = frame.getByRole('button', { name: 'Insert at the cursor' });
    await insert.waitFor({ timeout: 60_000 });
    await frame.locator('.player input[type=range]').focus();
    await screenshot(page, 'bundled-denoise-view');
    await insert.click();
    await page.locator('.view-line', { hasText: 'for (let i = 0; i < names' }).waitFor();
  });

  it('shows the devices through the palette', async () => {
    await runCommand(workbench, page, 'Unmask: Show Devices');
    const lines = page.locator('.editor-instance .view-lines');
    await lines.filter({ hasText: 'Selected:' }).waitFor({ timeout: 120_000 });
    // The editor draws spaces as no-break spaces.
    const text = ((await lines.textContent()) ?? '').replaceAll('\u00a0', ' ');
    assert.match(text, /Selected: (onnx|tensorflow) on \w+/);
    assert.match(text, /onnx +cpu +yes +passed/);
    assert.match(text, /tensorflow +wasm +yes +passed/);
    await screenshot(page, 'devices');
  });

  it('reports an error in the setting unmask.node', async () => {
    // The machine's settings, from which a remote window reads machine-scoped settings.
    await writeFile(
      path.join(workbench.profile, 'user', 'Machine', 'settings.json'),
      JSON.stringify({ 'unmask.node': '/no/such/node' }),
    );
    const toast = page.locator('.notification-toast', { hasText: 'unmask.node is set to /no/such/node' });
    // The window notices the file a moment later.
    for (let attempt = 0; attempt < 10 && !(await toast.isVisible()); attempt++) {
      await runCommand(workbench, page, 'Unmask: Show Devices');
      await toast.waitFor({ timeout: 5000 }).catch(() => {});
    }
    assert.ok(await toast.isVisible());
    assert.ok(await toast.getByText('Open Settings').isVisible());
    await screenshot(page, 'wrong-node');
  });

  const missing = (wanted: readonly string[]) => wanted.filter((file) => !files.includes(file));
});

describe('packaging', () => {
  it('knows the platforms that ONNX Runtime supports', () => {
    assert.deepEqual(targets(), ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']);
  });

  it('rejects a platform without it', async () => {
    const file = path.join(tmpdir(), 'unmask-never.vsix');
    await assert.rejects(
      packageExtension('darwin-x64', file),
      /no ONNX Runtime for darwin-x64; package for one of .*linux-x64/,
    );
    assert.ok(!existsSync(file));
  });
});

/** The JavaScript files that the program loads from node_modules, found through the bundle's own imports. */
async function loadedAtRuntime(): Promise<string[]> {
  const program = await build({ ...bundles['dist/unmask.mjs'], write: false, metafile: true });
  const packages = Object.values(program.metafile.outputs)
    .flatMap(({ imports }) => imports.map((imported) => imported.path))
    .filter((name) => /^(onnxruntime|@tensorflow)/.test(name));
  assert.ok(packages.includes('onnxruntime-node'), `${packages}`);
  const { metafile } = await build({
    absWorkingDir: root,
    stdin: { contents: packages.map((name) => `import '${name}';`).join('\n'), resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'esm',
    loader: { '.node': 'empty' },
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  return Object.keys(metafile.inputs).filter((file) => /\.(js|cjs|mjs|json)$/.test(file));
}

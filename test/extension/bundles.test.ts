import assert from 'node:assert/strict';
import { isBuiltin } from 'node:module';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { bundles } from '../../esbuild.mjs';
import { licencesOf } from '../../scripts/packaging/licences.mjs';

async function metafileOf(bundle: keyof typeof bundles): Promise<Metafile> {
  const { metafile } = await build({ ...bundles[bundle], write: false, metafile: true });
  return metafile;
}

const engine = /^src\/(engine|graph)\/|onnxruntime|tensorflow/;

/** All modules that compute, whether inside the bundle or loaded by it. */
function enginesIn({ inputs, outputs }: Metafile): string[] {
  const loaded = Object.values(outputs).flatMap(({ imports }) => imports.map((imported) => imported.path));
  return [...Object.keys(inputs), ...loaded].filter((file) => engine.test(file));
}

/** The files that a bundle runs when it is loaded: those that a file imports statically, directly or indirectly. */
function importedAtOnce(entry: string, { inputs }: Metafile): Set<string> {
  const reached = new Set([entry]);
  for (const file of reached)
    for (const { path, kind, external } of inputs[file]?.imports ?? [])
      if (!external && kind !== 'dynamic-import') reached.add(path);
  return reached;
}

function loadedBy({ outputs }: Metafile): string[] {
  return Object.values(outputs).flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external && !isBuiltin(path)).map(({ path }) => path),
  );
}

describe('the bundles', () => {
  it('of the extension contains no engine, and loads only vscode and, later, its language client', async () => {
    const metafile = await metafileOf('dist/extension.cjs');
    assert.ok('src/extension/extension.ts' in metafile.inputs);
    assert.deepEqual(enginesIn(metafile), []);
    assert.deepEqual([...new Set(loadedBy(metafile))].sort(), ['./language-client.cjs', 'vscode']);
    const client = await metafileOf('dist/language-client.cjs');
    assert.deepEqual([...new Set(loadedBy(client))], ['vscode']);
  });

  it('of the extension runs little code when it is loaded', async () => {
    // Static imports run immediately; the rest is loaded a moment later, when the window is open.
    const late = ['src/extension/run-features.ts', 'node_modules/'];
    const atOnce = importedAtOnce('src/extension/extension.ts', await metafileOf('dist/extension.cjs'));
    assert.ok(atOnce.has('src/extension/runtime.ts'));
    assert.deepEqual(
      [...atOnce].filter((file) => late.some((name) => file.startsWith(name))),
      [],
    );
  });

  for (const page of ['report', 'panel', 'evaluation'] as const)
    it(`of the ${page} contains no engine, and loads nothing`, async () => {
      const metafile = await metafileOf(`dist/${page}.js`);
      assert.ok(`webview/${page}.ts` in metafile.inputs);
      assert.deepEqual(enginesIn(metafile), []);
      // The panel's style refers to its font, which is in the same folder.
      const made = new Set(Object.keys(metafile.outputs));
      const loaded = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
      assert.deepEqual(
        loaded.filter((file) => !made.has(file.split('?', 1)[0] as string)),
        [],
      );
    });

  it('of the program loads only the engines from outside, and the libraries of the queue later', async () => {
    const metafile = await metafileOf('dist/unmask.mjs');
    // The check above must be able to detect an engine.
    assert.notDeepEqual(enginesIn(metafile), []);
    const loaded = loadedBy(metafile).filter((name) => name !== './bullmq.mjs');
    assert.ok(loaded.includes('onnxruntime-node'));
    // A command that needs no queue does not read its libraries.
    const libraries = Object.values(metafile.outputs).flatMap(({ imports }) =>
      imports.filter(({ path }) => path === './bullmq.mjs').map(({ kind }) => kind),
    );
    assert.deepEqual([...new Set(libraries)], ['dynamic-import']);
    assert.deepEqual(
      Object.keys(metafile.inputs).filter((file) => /node_modules\/(bullmq|ioredis)\//.test(file)),
      [],
    );
    // BullMQ requires these for other backends only; they are not installed.
    assert.deepEqual(loadedBy(await metafileOf('dist/bullmq.mjs')), ['@valkey/valkey-glide', 'pg']);
    // Systeminformation requires these only for temperatures, which are not used, and works without them.
    const never = /^(osx|macos)-temperature-sensor$/;
    assert.deepEqual(
      loaded.filter((name) => !/^(onnxruntime-node|@tensorflow\/)/.test(name) && !never.test(name)),
      [],
    );
  });

  it('come with the licence and licence text of every package that they contain', async () => {
    const inputs = await Promise.all(
      (Object.keys(bundles) as (keyof typeof bundles)[]).map(async (bundle) =>
        Object.keys((await metafileOf(bundle)).inputs),
      ),
    );
    const licences = licencesOf(fileURLToPath(new URL('../..', import.meta.url)), inputs.flat());
    const titles = [...licences.matchAll(/^(\S+) [\d.]+, (\S+)\n=+$/gm)].map(([, name, licence]) => [name, licence]);
    const held = new Set(
      inputs.flat().flatMap((file) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
    );
    assert.deepEqual(new Set(titles.map(([name]) => name)), held);
    assert.ok(held.has('zod') && held.has('@vscode/codicons'));
    const allowed = ['MIT', 'ISC', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'CC-BY-4.0', '0BSD'];
    for (const [name, licence] of titles) assert.ok(allowed.includes(licence as string), `${name}: ${licence}`);
    assert.match(licences, /^uplot [\d.]+, MIT\n=+\n\n.*MIT License[\s\S]*Copyright \(c\) \d+ Leon Sorokin/m);
  });
});

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

/** Everything that computes, be it inside of the bundle or loaded by it. */
function enginesIn({ inputs, outputs }: Metafile): string[] {
  const loaded = Object.values(outputs).flatMap(({ imports }) => imports.map((imported) => imported.path));
  return [...Object.keys(inputs), ...loaded].filter((file) => engine.test(file));
}

/** The files that a bundle runs when it is loaded: those that a file reaches without a dynamic import. */
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
  it('of the extension holds no engine, and loads nothing but vscode and, later, its language client', async () => {
    const metafile = await metafileOf('dist/extension.cjs');
    assert.ok('src/extension/extension.ts' in metafile.inputs);
    assert.deepEqual(enginesIn(metafile), []);
    assert.deepEqual([...new Set(loadedBy(metafile))].sort(), ['./language-client.cjs', 'vscode']);
    const client = await metafileOf('dist/language-client.cjs');
    assert.deepEqual([...new Set(loadedBy(client))], ['vscode']);
  });

  it('of the extension runs little when it is loaded', async () => {
    // What is imported at once is run at once; the rest comes in a moment, when the window is up.
    const late = ['src/extension/run-features.ts', 'node_modules/'];
    const atOnce = importedAtOnce('src/extension/extension.ts', await metafileOf('dist/extension.cjs'));
    assert.ok(atOnce.has('src/extension/runtime.ts'));
    assert.deepEqual(
      [...atOnce].filter((file) => late.some((name) => file.startsWith(name))),
      [],
    );
  });

  for (const page of ['report', 'panel', 'evaluation'] as const)
    it(`of the ${page} holds no engine, and loads nothing`, async () => {
      const metafile = await metafileOf(`dist/${page}.js`);
      assert.ok(`webview/${page}.ts` in metafile.inputs);
      assert.deepEqual(enginesIn(metafile), []);
      // The panel's style names its font, which lies beside it.
      const made = new Set(Object.keys(metafile.outputs));
      const loaded = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
      assert.deepEqual(
        loaded.filter((file) => !made.has(file.split('?', 1)[0] as string)),
        [],
      );
    });

  it('of the program leaves the engines, and nothing else, outside', async () => {
    const metafile = await metafileOf('dist/unmask.mjs');
    // The check above must be able to see an engine where there is one.
    assert.notDeepEqual(enginesIn(metafile), []);
    const loaded = loadedBy(metafile);
    assert.ok(loaded.includes('onnxruntime-node'));
    // Systeminformation asks for these where temperatures are wanted, which nobody wants, and does without.
    const never = /^(osx|macos)-temperature-sensor$/;
    assert.deepEqual(
      loaded.filter((name) => !/^(onnxruntime-node|@tensorflow\/)/.test(name) && !never.test(name)),
      [],
    );
  });

  it('come with the licence of every package that they hold, and its text', async () => {
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
    const allowed = ['MIT', 'ISC', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'CC-BY-4.0'];
    for (const [name, licence] of titles) assert.ok(allowed.includes(licence as string), `${name}: ${licence}`);
    assert.match(licences, /^uplot [\d.]+, MIT\n=+\n\n.*MIT License[\s\S]*Copyright \(c\) \d+ Leon Sorokin/m);
  });
});

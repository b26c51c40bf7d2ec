import assert from 'node:assert/strict';
import { isBuiltin } from 'node:module';
import { describe, it } from 'node:test';
import { build, type Metafile } from 'esbuild';
import { bundles } from '../../esbuild.mjs';

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

function loadedBy({ outputs }: Metafile): string[] {
  return Object.values(outputs).flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external && !isBuiltin(path)).map(({ path }) => path),
  );
}

describe('the bundles', () => {
  it('of the extension holds no engine, and loads nothing but vscode', async () => {
    const metafile = await metafileOf('dist/extension.cjs');
    assert.ok('src/extension/extension.ts' in metafile.inputs);
    assert.deepEqual(enginesIn(metafile), []);
    assert.deepEqual([...new Set(loadedBy(metafile))], ['vscode']);
  });

  for (const page of ['report', 'panel'] as const)
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
    assert.deepEqual(
      loaded.filter((name) => !/^(onnxruntime-node|@tensorflow\/)/.test(name)),
      [],
    );
  });
});

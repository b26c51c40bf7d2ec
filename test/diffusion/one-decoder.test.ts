import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { packageRoot } from '../../src/platform/package-root.ts';

/** TypeScript source files by their path from the package's root. */
async function sources(...folders: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const folder of folders)
    for (const entry of await readdir(path.join(packageRoot(), folder), { recursive: true })) {
      const name = path.posix.join(folder, entry.replaceAll(path.sep, '/'));
      if (name.endsWith('.ts')) found.set(name, await readFile(path.join(packageRoot(), name), 'utf8'));
    }
  return found;
}

const matching = (files: ReadonlyMap<string, string>, pattern: RegExp): string[] =>
  [...files].flatMap(([name, text]) => (pattern.test(text) ? [name] : [])).sort();

describe('one decoder', async () => {
  const files = await sources('src', 'bench', 'scripts');
  const outside = new Map([...files].filter(([name]) => !name.startsWith('src/diffusion/')));

  it('samples tokens only in src/diffusion', () => {
    assert.deepEqual(matching(outside, /token-distribution\.ts/), []);
    assert.deepEqual(matching(files, /token-distribution\.ts/), [
      'src/diffusion/canvas.ts',
      'src/diffusion/fill-at-once.ts',
      'src/diffusion/fill-with-drafts.ts',
      'src/diffusion/reveal-rules.ts',
    ]);
    // A function that renders a token in a page has the same name.
    assert.deepEqual(matching(outside, /\b(drawToken|likeliestToken)\b/), []);
    // Other code that samples by inversion draws from lists and parsers, never from logits.
    assert.deepEqual(matching(outside, /logits[^;]*\.uniform\(\)|\.uniform\(\)[^;]*logits/), []);
  });

  it('has one exported function that applies reveal rules, called by the two loops that fill canvases', () => {
    const exported = [
      ...(files.get('src/diffusion/reveal-rules.ts') as string).matchAll(
        /^export (?:async )?(?:function|const) (\w+)/gm,
      ),
    ];
    assert.deepEqual(
      exported.map(([, name]) => name),
      ['revealOrders', 'hasFixedSteps', 'needsLogits', 'applyRevealRule'],
    );
    assert.deepEqual(matching(files, /\bapplyRevealRule\(/), [
      'src/diffusion/fill-canvases.ts',
      'src/diffusion/fill-with-drafts.ts',
      'src/diffusion/reveal-rules.ts',
    ]);
    assert.deepEqual(matching(files, /\bfillWithDrafts\(/), [
      'src/diffusion/fill-with-drafts.ts',
      'src/diffusion/infill.ts',
    ]);
    assert.deepEqual(matching(files, /\bfillCanvases\(/), [
      'src/diffusion/denoise.ts',
      'src/diffusion/fill-canvases.ts',
      'src/diffusion/infill.ts',
      'src/infilling/left-to-right.ts',
    ]);
  });

  it('has one type for the canvas', () => {
    assert.deepEqual(matching(files, /\b(?:interface|class) Canvas\b|\btype Canvas =/), ['src/diffusion/canvas.ts']);
  });

  it('has one class that owns cached keys and values', () => {
    // The reader computes them but stores none; only the session calls it.
    assert.deepEqual(matching(files, /\bContextReader\b/), [
      'src/diffusion/decoding-session.ts',
      'src/model/context-reader.ts',
      // The same for models with frozen weights.
      'src/model/inference-reader.ts',
      'src/model/language-model.ts',
    ]);
    assert.deepEqual(
      matching(files, /\.context\b(?!\s*=)[^;\n]*\.(?:read|logits)\(|#contextReader\.(?:read|logits)\(/),
      ['src/diffusion/decoding-session.ts'],
    );
    assert.deepEqual(matching(files, /\bmodel\.context\b|#model\.context\b/), ['src/diffusion/decoding-session.ts']);
    assert.deepEqual(matching(files, /new DecodingSession\(/), [
      'src/diffusion/denoise.ts',
      'src/diffusion/infill.ts',
      'src/infilling/autoregressive-model.ts',
      'src/infilling/diffusion-infiller.ts',
    ]);
  });
});

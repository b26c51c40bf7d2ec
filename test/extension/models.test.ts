import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  downloadItems,
  labelOf,
  modelGroups,
  offerLines,
  slowWarning,
  suits,
} from '../../src/extension/models/model-items.ts';
import { publishedModels } from '../../src/extension/models/published-models.ts';
import { parseHubId } from '../../src/platform/model-name.ts';
import type { ModelSummary, RuntimeStatus } from '../../src/protocol/runtime.ts';

const model = (changes: Partial<ModelSummary>): ModelSummary => ({
  name: 'unmask-code',
  kind: 'bundled',
  folder: '/models/unmask-code',
  parameters: 4.26e6,
  bytes: 17e6,
  completes: true,
  description: 'A small model',
  licence: 'mit',
  revision: null,
  memory: { needed: 2 ** 26, available: 2 ** 34 },
  problem: null,
  ...changes,
});

describe('the model picker', () => {
  it('lists models that complete code, grouped by source, with size, licence and whether they fit', () => {
    const groups = modelGroups(
      [
        model({}),
        model({ name: 'unmask-puzzles', completes: false }),
        model({ name: 'org/large', kind: 'installed', licence: null, memory: { needed: 2 ** 35, available: 2 ** 34 } }),
        model({ name: 'broken', kind: 'installed', problem: 'config.json is wrong.' }),
        model({ name: '/home/me/runs/20250101-code', kind: 'run' }),
      ],
      'unmask-code',
    );
    assert.deepEqual(
      groups.map(({ title, items }) => [title, items.map(({ label }) => label)]),
      [
        ['Bundled with Unmask', ['unmask-code']],
        ['Installed', ['org/large']],
        ['From runs', ['20250101-code']],
      ],
    );
    assert.deepEqual(groups[0]?.items[0], {
      label: 'unmask-code',
      description: 'in use · 17 MB · licence mit · needs about 64 MiB (16.0 GiB available)',
      detail: 'A small model',
      name: 'unmask-code',
    });
    assert.equal(
      groups[1]?.items[0]?.description,
      '17 MB · licence not stated · too large: needs about 32.0 GiB (16.0 GiB available)',
    );
    assert.equal(groups[2]?.items[0]?.name, '/home/me/runs/20250101-code');
  });

  it('says how long a suggestion takes where it was measured', () => {
    const [group] = modelGroups([model({ suggestion_milliseconds: 642 })], 'another');
    assert.equal(
      group?.items[0]?.description,
      'about 640 ms per suggestion here · 17 MB · licence mit · needs about 64 MiB (16.0 GiB available)',
    );
  });

  it('warns about a model whose suggestions take seconds, after a few of them', () => {
    const status = (requests: number, p50: number | null): RuntimeStatus => ({
      state: 'ready',
      model: 'org/large',
      folder: null,
      device: null,
      problem: null,
      latency: { requests, p50, p95: p50 },
    });
    assert.equal(
      slowWarning(status(3, 9120)),
      'The model org/large takes about 9.1 s per suggestion here. You can select a smaller one.',
    );
    assert.equal(slowWarning(status(2, 9120)), null);
    assert.equal(slowWarning(status(200, 1900)), null);
    assert.equal(slowWarning(status(0, null)), null);
  });

  it('offers an adapter whose base can be downloaded, with size and licence of the base', () => {
    const base = { name: 'base-135m', bytes: 98e6, licence: 'apache-2.0' };
    const adapter = model({ name: 'adapter-135m', completes: false, problem: 'needs its base', missing_base: base });
    assert.deepEqual(modelGroups([adapter], 'unmask-code'), []);
    assert.deepEqual(downloadItems([model({}), adapter]), [
      {
        label: 'adapter-135m',
        description: '98 MB to download · licence apache-2.0',
        detail: 'A small model',
        name: 'adapter-135m',
        base,
      },
    ]);
  });

  it('offers a puzzle model for puzzles, but not for code', () => {
    const puzzles = model({ name: 'unmask-puzzles', completes: false });
    assert.ok(suits(puzzles, ['sudoku4x4', 'countdown']));
    for (const tasks of [['code'], ['workspace'], ['sudoku4x4', 'code']])
      assert.ok(!suits(puzzles, tasks), tasks.join());
    assert.ok(suits(model({}), ['workspace']));
    assert.ok(!suits(model({ problem: 'config.json is wrong.' }), ['workspace']));
  });

  it('shows the end of a path, and the whole name', () => {
    assert.deepEqual(['org/name', 'mine', '/a/b/c', 'C:\\a\\b', ''].map(labelOf), ['org/name', 'mine', 'c', 'b', '']);
  });

  it('suggests models of the hub by ids that can be added, each once, with size and licence', () => {
    const ids = publishedModels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= 5);
    for (const { id, facts, about } of publishedModels) {
      assert.deepEqual(parseHubId(id), { id, subfolder: null, revision: null });
      assert.match(facts, /^[\d.]+ billion parameters · \S/);
      assert.ok(about.length > 10);
    }
  });

  it('describes a model before it is downloaded', () => {
    assert.deepEqual(
      offerLines({
        name: 'org/name',
        revision: 'a'.repeat(40),
        installed: 'b'.repeat(40),
        bytes: 15.2e9,
        licence: 'apache-2.0',
        gated: true,
        parameters: 7.6e9,
        memory: { needed: 2 ** 35, available: 2 ** 34 },
        problem: null,
      }),
      [
        '15 GB to download, 7.6 billion parameters',
        'licence apache-2.0; accept its terms on the Hugging Face Hub first',
        'Memory: too large: needs about 32.0 GiB (16.0 GiB available)',
        'Revision aaaaaaaaaaaa, replaces bbbbbbbbbbbb',
      ],
    );
  });
});
